"""Runs the rules on records, and says what an alert tells about its cause."""
