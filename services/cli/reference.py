"""Writes the command line's documentation: docs/cli.md."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import click

from services.cli.exit_codes import ANSWERS, EXIT_CODES, FAILED_TOO, PROGRAM
from services.cli.groups import CommandGroup
from services.cli.main import COMMANDS, command_line
from services.cli.parameters import HelpContext

HEAD = """# Command line

`keytrail COMMAND --help` prints what stands here. [The how-to](howto/command-line.md) shows how keys, people and times are named,
and what the answers look like.

Commands find the installation by the environment that `eval "$(keytrail env)"` sets, or by its data folder. On a terminal a long
answer opens in a pager. `--json` prints the answer for machines, and errors too: `{"error": {"code", "message"}}` on the standard
error. `eval "$(keytrail completion bash)"` lets the shell complete commands and options on Tab.
"""


def reference() -> str:
    """The whole document."""
    lines = [HEAD, "| exit code | meaning |", "|---|---|"]
    lines += [f"| {code} | {says} |" for code, says in EXIT_CODES.items()]
    lines += ["", "Where a command's own section gives codes, those count.", "", "| command | |", "|---|---|"]
    lines += [f"| [{name}](#{name.replace(' ', '-')}) | {row.says} |" for name, row in COMMANDS.items()]
    for name in COMMANDS:
        lines += ["", f"## {name}", *_section(name)]
    return "\n".join(lines) + "\n"


def _section(name: str) -> Iterator[str]:
    context = _context(name)
    command = context.command
    pieces = " ".join(each for each in command.collect_usage_pieces(context))
    yield f"```\n{PROGRAM} {name} {pieces}\n```"
    yield _markdown(inspect.cleandoc(command.help or ""))
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    options = [each for each in command.params if isinstance(each, click.Option)]
    yield from _table("argument", [each.get_help_record(context) for each in arguments])
    yield from _table("option", [each.get_help_record(context) for each in options])
    if name in ANSWERS:
        codes: Mapping[int, str] = {2: FAILED_TOO, **ANSWERS[name]}
        yield from _table("exit code", [(str(code), codes[code]) for code in sorted(codes)])


def _context(name: str) -> click.Context:
    context: click.Context = HelpContext(command_line(), info_name=PROGRAM)
    for word in name.split():
        assert isinstance(context.command, CommandGroup)
        command = context.command.get_command(context, word)
        assert command is not None
        context = HelpContext(command, parent=context, info_name=word)
    return context


def _table(title: str, rows: list[Any]) -> Iterator[str]:
    """`rows`: (what is typed, what it means); None for a hidden option."""
    shown = [row for row in rows if row is not None]
    if shown:
        yield from ("", f"| {title} | |", "|---|---|")
    for typed, says in shown:
        code = typed if title == "exit code" else f"`{typed}`"
        yield f"| {code} | {_markdown(says)} |"


def _markdown(text: str) -> str:
    """Escapes text for Markdown, also for a table's cell. Only backticks keep their meaning."""
    parts = text.replace("|", "\\|").split("`")
    parts[::2] = (each.replace("*", "\\*").replace("<", "&lt;") for each in parts[::2])
    return "`".join(parts)
