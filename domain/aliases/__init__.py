"""Aliases: a name for a key, of one account."""
