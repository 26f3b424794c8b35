"""Backup and restore: the log, the decisions, the vault and the snapshots in one sealed file."""
