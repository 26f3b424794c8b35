"""The writer: one leads, the others stand by; it decides each command once, on the state that is certainly current."""
