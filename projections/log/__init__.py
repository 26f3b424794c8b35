"""The entries that a projection reads, the changes that it makes, and the log that a query asks (our own or a trail)."""
