"""`keytrail`: the command line. One file a family of commands; this one joins them."""

from __future__ import annotations

from collections.abc import Callable

import typer

from services.cli import asking, proving, running

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback with local variables could show a secret
    help="A key manager that keeps every change and every decision on a verifiable log.",
)
account = typer.Typer(no_args_is_help=True, help="Accounts that this installation hosts.")
app.add_typer(account, name="account")

COMMANDS: dict[str, Callable[..., None]] = {
    "up": running.up,
    "env": running.env,
    "status": running.status,
    "keys": asking.keys,
    "history": asking.history,
    "policy": asking.policy,
    "decisions": asking.decisions,
    "verify": proving.verify_log,
    "export-log": proving.export_log,
    "rebuild": proving.rebuild,
    "skip-commands": proving.skip_commands,
}
for name, command in COMMANDS.items():
    app.command(name)(command)
account.command("create")(asking.create_account)


def main() -> None:
    app()
