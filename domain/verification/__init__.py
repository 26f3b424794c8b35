"""Is the log whole, and are the decisions? Values are read, and nothing else is trusted."""
