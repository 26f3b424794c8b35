"""Routes of the audit API: each endpoint stands beside its row."""
