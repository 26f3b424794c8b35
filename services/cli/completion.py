"""completion: lets the shell complete commands, options and files of `keytrail`."""

from __future__ import annotations

from typing import Annotated

import click
from click.shell_completion import get_completion_class

from services.cli.failures import fail
from services.cli.parameters import Argument
from services.cli.terminal import as_it_is

ASKED = "_KEYTRAIL_COMPLETE"
"""The variable in which a shell gives the words to complete (services/cli/main.py reads it)."""
SHELLS = ("bash", "zsh", "fish")


def completion(shell: Annotated[str, Argument(help="bash, zsh or fish")]) -> None:
    """Print shell text that completes `keytrail` on Tab: put `eval "$(keytrail completion bash)"` into ~/.bashrc."""
    found = get_completion_class(shell) if shell in SHELLS else None
    if found is None:
        fail(f"There is no completion for {shell}: name {', '.join(SHELLS[:-1])} or {SHELLS[-1]}.", 2)
    as_it_is(found(click.get_current_context().find_root().command, {}, "keytrail", ASKED).source())
