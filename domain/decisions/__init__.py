"""Decisions of the past: what each was made of, the same call decided again, and why."""
