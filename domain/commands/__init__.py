"""Everything that changes something: one file for a command or a family of them, with its permissions and its rules."""
