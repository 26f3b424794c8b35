"""Backup and restore: log, decisions, vault and snapshots in one sealed file."""
