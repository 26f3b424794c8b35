"""Past decisions: what decided each, the same call decided again, and why."""
