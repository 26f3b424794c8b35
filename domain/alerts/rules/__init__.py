"""The alert rules, one file each; table.py lists them all."""
