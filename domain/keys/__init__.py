"""The key: its state, its events (evolve), and the table of key states."""
