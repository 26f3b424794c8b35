"""Who asked for what, what the answer was, and which statement or rule decided it."""
