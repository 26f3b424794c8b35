"""Runs the rules on records, and says what led to an alert."""
