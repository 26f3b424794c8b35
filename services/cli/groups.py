"""Groups of commands. A group lists its commands from the table; a command's file is loaded only when the command is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click

from services.cli.parameters import COLUMNS, HelpContext, command_of, parameters_of


@dataclass(frozen=True, slots=True)
class CommandRow:
    """`function`: a file in services/cli and a function in it. `says`: what lists of commands say about the command. `paged`: an
    answer that is longer than the screen goes to a pager."""

    function: str
    says: str
    paged: bool = False

    def load(self) -> Callable[..., None]:
        module, _, name = self.function.partition(":")
        run: Callable[..., None] = getattr(import_module(f"services.cli.{module}"), name)
        if not self.paged:
            return run
        from services.cli.pager import paging  # loads the screen, which a list of commands does not need

        return paging(run)


class CommandGroup(click.Group):
    """The commands of the table whose names begin with the group's name. A group may itself be a command."""

    context_class = HelpContext

    def __init__(self, name: str, rows: Mapping[str, CommandRow], groups: Mapping[str, str], **attributes: Any) -> None:
        own = rows[name].load() if name in rows else None
        super().__init__(
            name.rpartition(" ")[2],
            help=attributes.pop("help", None) or (own.__doc__ if own else f"{groups[name]}."),
            params=[*(parameters_of(own) if own else ()), *attributes.pop("params", ())],
            callback=_unless_another_is_asked(own) if own else None,
            invoke_without_command=own is not None,
            no_args_is_help=own is None,
            context_settings={"max_content_width": COLUMNS},
            **attributes,
        )
        self._rows, self._groups = rows, groups
        self._prefix = f"{name} " if name in groups else ""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The name of one of the group's commands comes before an argument of the group's own: `keytrail log key` asks for the
        command, and `keytrail log ./key` names a file."""
        if args and args[0] in self.list_commands(ctx):
            self.params = [each for each in self.params if not isinstance(each, click.Argument)]
        elif any(isinstance(each, click.Argument) for each in self.params):
            ctx.allow_interspersed_args = True  # a command that is no group takes its options behind its arguments too
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, _ in self._listed()]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        whole = f"{self._prefix}{name}"
        if whole in self._groups:
            return CommandGroup(whole, self._rows, self._groups)
        return command_of(self._rows[whole].load(), name) if whole in self._rows else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self._listed()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem  # imported only when somebody presses Tab

        commands = [CompletionItem(name, help=says) for name, says in self._listed() if name.startswith(incomplete)]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def _listed(self) -> Iterator[tuple[str, str]]:
        """Each command and group in this group, and what lists say about it."""
        begun = set()
        for whole, row in self._rows.items():
            name, _, more = whole.removeprefix(self._prefix).partition(" ")
            if whole.startswith(self._prefix) and name not in begun:
                begun.add(name)
                yield name, self._groups[f"{self._prefix}{name}"] if more else row.says


def _unless_another_is_asked(own: Callable[..., None]) -> Callable[..., None]:
    """A group's own command. It runs if no command of the group is named."""

    def run(**parameters: Any) -> None:
        if click.get_current_context().invoked_subcommand is None:
            own(**parameters)

    return run
