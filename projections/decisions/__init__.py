"""Who asked for what, what was answered, and which statement or rule decided it."""
