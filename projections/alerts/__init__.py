"""The alerts projection."""
