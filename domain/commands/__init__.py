"""What changes something: one file a command or a family, each with its permissions (asks) and its rules (decide)."""
