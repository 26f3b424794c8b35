"""The key of records: begun on a log of an earlier version, and rotated."""
