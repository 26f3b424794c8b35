"""KMS, IAM and STS on `POST /`. The order of calls.py is the order in which a call is checked."""
