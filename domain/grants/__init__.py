"""The grant: what a key's owner lets one principal do, without a policy."""
