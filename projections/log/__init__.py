"""What a projection is given (entries), and which log a query is put to (our own or a trail)."""
