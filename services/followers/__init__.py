"""How far the processes that follow the topics have come."""
