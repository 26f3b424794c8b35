"""Which keys there are, and the present state of each."""
