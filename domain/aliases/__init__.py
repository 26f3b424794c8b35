"""The alias: a name for a key, in one account."""
