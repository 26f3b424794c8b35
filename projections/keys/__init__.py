"""Which keys there are, and how each is now."""
