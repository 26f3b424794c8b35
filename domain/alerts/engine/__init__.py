"""The rules held to records, and what an alert tells."""
