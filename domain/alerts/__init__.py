"""What alert rules read and find: changes, calls, comparisons, findings, settings and allow-lists."""
