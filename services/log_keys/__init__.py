"""The key of records: begun on a log of an earlier version, and rotated. Rotation of the transparency log's key."""
