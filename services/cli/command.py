"""Where the `keytrail` command begins. What Ctrl-C does until it can tell anybody anything is settled in `services/__init__`,
which is imported before this."""

from services.cli.main import main

__all__ = ["main"]
