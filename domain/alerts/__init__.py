"""What alert rules read and find: changes, uses, comparisons, findings, settings and allow-lists."""
