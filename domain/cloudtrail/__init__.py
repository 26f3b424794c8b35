"""AWS CloudTrail as a trail beside the log: what its records say, what they changed, and what they leave unknown."""
