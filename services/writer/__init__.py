"""The writer: one leads, the others stand by. It decides each command once, on a state that is certainly current."""
