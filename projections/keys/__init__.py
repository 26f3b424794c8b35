"""Which keys are there, and how they are now."""
