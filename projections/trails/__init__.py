"""A trail from elsewhere: its records, unchanged, and the tables that answer questions about it."""
