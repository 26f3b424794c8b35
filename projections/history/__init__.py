"""What was true at any time: every version of every key, alias, grant, account, service, identity and managed policy."""
