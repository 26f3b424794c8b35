"""Keys: one aggregate, its commands (decide) and its events (evolve)."""
