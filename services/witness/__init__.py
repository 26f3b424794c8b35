"""A witness on somebody else's machine: cosigns checkpoints of the logs that it knows, with a key and storage of its own."""
