"""What was true at any time: each version of each key, alias, grant, account, service, identity and managed policy."""
