"""The entry point of the `keytrail` command. `services/__init__`, which is imported before, decides what Ctrl-C does until the
command can report it."""

from services.cli.main import main

__all__ = ["main"]
