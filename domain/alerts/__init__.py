"""Risky changes and uses: one rule a file, all of them in table.py."""
