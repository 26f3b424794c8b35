"""KMS, IAM and STS on `POST /`: calls.py reads in the order in which a call is checked."""
