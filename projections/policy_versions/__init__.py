"""Each version of each key policy: its text, who put it, when, and where on the log."""
