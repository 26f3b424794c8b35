"""Ends a command: with its exit code, and with one sentence for anything that goes wrong."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import click
from click.exceptions import Exit, NoArgsIsHelpError

from services.cli.failures import fail, failing
from services.cli.readers import ReadByNobody, read_by_nobody

EXIT_CODES: Mapping[int, str] = {
    0: "The command did what it was asked to.",
    1: "It failed, or the server refused it.",
    2: "It was typed wrong, or it asks for something that cannot be asked together.",
    130: "Ctrl-C ended it.",
}
ANSWERS: Mapping[str, Mapping[int, str]] = {
    "diff": {
        0: "No request is answered differently.",
        1: "Some requests are answered differently.",
        3: "Whether any request is answered differently is not known.",
    },
    "check-policy": {0: "Every check passed.", 1: "A check failed.", 3: "The outcome of a check is not known."},
    "read-policy": {0: "The policy has the form that the console makes.", 1: "It has another form."},
    "try-policy": {0: "PutKeyPolicy would take the draft.", 1: "PutKeyPolicy would refuse it."},
    "recheck": {0: "Every decision came out the same.", 1: "A decision came out differently, or records are gone."},
    "verify": {0: "Everything is whole.", 1: "Something is missing, was changed, or was not written by Keytrail."},
    "verify-evidence": {
        0: "Every proof holds.",
        1: "A proof does not hold.",
        3: "Every proof holds, but under a key which only the files name.",
    },
    "doctor": {0: "Nothing is wrong.", 1: "Something is wrong.", 2: "Nothing could be checked."},
    "alerts check": {0: "No rule fires.", 1: "A rule fires."},
}
"""What the exit codes of a command mean if they are an answer. If 1 is an answer, 2 says that the command failed."""
FAILED_TOO = "It failed, the server refused it, or it was typed wrong."
"""What 2 means for these commands."""

DIFFERS, NOT_KNOWN = 1, 3
"""Exit codes of `diff`, `check-policy`, `read-policy` and `try-policy`."""
INTERRUPTED = 130
PROGRAM = "keytrail"


def run(command: click.Command, asked: Sequence[str], commands: Iterable[str]) -> NoReturn:
    """Runs the command line to its end. It never ends in a traceback."""
    failing.in_json = "--json" in asked
    failing.code = 2 if any(" ".join(asked).startswith(each) for each in ANSWERS) else 1
    try:
        sys.exit(_exit_code(command, asked, commands))
    except Exit as ended:
        sys.exit(ended.exit_code)
    except KeyboardInterrupt:
        sys.exit(_interrupted())


def _exit_code(command: click.Command, asked: Sequence[str], commands: Iterable[str]) -> int:
    try:
        # Not click's own `main`: it treats Ctrl-C like the answer "no" to a question.
        with command.make_context(PROGRAM, list(asked)) as context:
            command.invoke(context)
    except NoArgsIsHelpError as fault:
        fault.show()
        return 2
    except click.UsageError as fault:
        fail(_usage(fault, commands), 2)
    except click.ClickException as fault:
        fail(fault.format_message(), 2)
    except click.Abort:
        fail("Nothing was done.")
    except Exit:
        raise
    except MemoryError:
        fail("There is not enough memory for the answer. Ask for less with --limit or --from.")
    except (BrokenPipeError, ReadByNobody):
        read_by_nobody()
        return 0
    except OSError as fault:
        where = f"{fault.filename}: " if fault.filename else ""
        fail(f"{where}{fault.strerror or fault}.")
    except Exception as fault:  # noqa: BLE001  # an unforeseen error: one sentence, with the place in the code
        last = traceback.extract_tb(fault.__traceback__)[-1]
        fail(f"This is a fault in Keytrail: {type(fault).__name__} in {Path(last.filename).name}:{last.lineno}.")
    return 0


def _usage(fault: click.UsageError, commands: Iterable[str]) -> str:
    """One sentence, with the way to help."""
    path = fault.ctx.command_path if fault.ctx is not None else PROGRAM
    message = " ".join(fault.format_message().split()).rstrip(".")
    near = ""
    if message.startswith("No such command"):
        group = path.partition(" ")[2]
        names = {
            each.removeprefix(group).split()[0] for each in commands if each.startswith(f"{group} " if group else "")
        }
        from services.questions.nearest import in_words, nearest  # imported only after a mistyped command

        near = in_words(nearest(message.split("'")[1], sorted(names)))
    return f"{message}.{near} See `{path} --help`."


def _interrupted() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not cause a traceback here
    if not failing.in_json:
        from services.cli.screens import err  # see failures.py
        from services.cli.terminal import say

        say("stopped", "dim", screen=err)
    return INTERRUPTED
