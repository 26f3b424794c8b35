"""Everything that changes something. Each file has one command or a family of them, with their permissions and rules."""
