"""Asks for confirmation before a command that cannot be undone. Each command that takes --yes asks here, and nowhere else.

A question is no part of a command's answer: it goes to the person at the terminal, by stderr, also with --json. Where nobody can
answer, the command refuses. With --json alone it must not go on, since a machine that asks for JSON has confirmed nothing.
"""

from __future__ import annotations

import sys

from services.cli.failures import fail
from services.cli.screens import err
from services.cli.terminal import ask

YES = ("y", "yes")


def somebody_answers() -> bool:
    """Whether a person sees a question and can answer it."""
    return sys.stdin.isatty() and err.is_terminal


def is_confirmed(question: str) -> bool:
    """What the person at the terminal says. No answer is a no, also where nobody can answer."""
    if not somebody_answers():
        return False
    ask(f"{question} [y/N]")
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):  # Ctrl-D, and the question stands in a line without an end
        err.print()
    return answer.strip().lower() in YES


def confirm_or_fail(question: str) -> None:
    """Ends the command unless somebody at a terminal says yes."""
    if not somebody_answers():
        fail(f"{question} Nobody can answer this here: to go on without a question, add --yes.")
    if not is_confirmed(question):
        fail("Nothing was done.")
