"""Other projects' tests of the KMS API, run against Keytrail. They are no part of `make test`."""
