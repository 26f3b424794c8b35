"""The key that records are authenticated with: begun on a log of an earlier version, and changed."""
