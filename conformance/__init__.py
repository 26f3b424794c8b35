"""Other projects' tests of the KMS API, run against Keytrail. `make test` does not run them."""
