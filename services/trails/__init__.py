"""Import of AWS CloudTrail: reading, preparing, folding and judging a trail."""
