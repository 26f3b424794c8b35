"""Judges histories: what clients asked and were told, against what a key manager may answer, and against the log."""
