"""The writer: one leads, the others stand by; each command is decided once, on the state that is certainly current."""
