"""Past decisions: what decided each one, the same call decided again, and why."""
