"""The operations of KMS, IAM and STS: one file for each family; table.py and identity_table.py list them all."""
