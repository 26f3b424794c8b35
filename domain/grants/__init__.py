"""The grant: it lets one principal use a key, without a policy."""
