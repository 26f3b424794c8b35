"""`keytrail`: the command line. One file a family of commands; this one joins them."""

from __future__ import annotations

import typer

from services.cli import running

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="A key manager that keeps every change and every decision on a verifiable log.",
)
app.command("up")(running.up)
app.command("env")(running.env)


def main() -> None:
    app()
