"""The data plane: KMS, IAM and STS on `POST /`, each call decided on the live state or by the writer."""
