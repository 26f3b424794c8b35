"""A trail from elsewhere: its records as they were read, and the tables that answer questions about it."""
