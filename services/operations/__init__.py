"""The operations: one file a family, and the visible table of all of them in table.py."""
