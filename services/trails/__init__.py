"""Trails from elsewhere: AWS CloudTrail, kept raw on a topic of its own and asked like our own log."""
