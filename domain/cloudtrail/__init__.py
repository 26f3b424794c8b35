"""AWS CloudTrail's records: what each says, what it changed, and what it leaves unknown."""
