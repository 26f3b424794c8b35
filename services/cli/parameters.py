"""Makes click commands from functions. A parameter's annotation gives its name on the command line, its values and its help.

click's own decorators name every parameter a second time above the function, and nothing checks that the two lists agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from inspect import Parameter, signature
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import click

COLUMNS = 100
"""The greatest width of a help text."""


class Argument:
    """A value that a command takes by its place. The help has its `name` in capitals; by default the parameter's name."""

    def __init__(self, help: str, name: str = "") -> None:
        self.help, self.name = help, name


class Option:
    """A value that a command takes by name: `names` on the command line; by default the parameter's name with dashes. The help
    calls the value `value`, or else by its type."""

    def __init__(self, *names: str, help: str, value: str = "", min: int | None = None, hidden: bool = False) -> None:
        self.names, self.help, self.value, self.min, self.hidden = names, help, value, min, hidden


def command_of(run: Callable[..., None], name: str) -> CommandWithArguments:
    """Makes a command that calls a function. Its help is the function's docstring."""
    return CommandWithArguments(name, params=parameters_of(run), callback=run, help=run.__doc__)


def parameters_of(run: Callable[..., None]) -> list[click.Parameter]:
    hints = get_type_hints(run, include_extras=True)
    return [_parameter(each, hints[name]) for name, each in signature(run).parameters.items()]


def _parameter(parameter: Parameter, hint: Any) -> click.Parameter:
    kind, says = hint.__origin__, hint.__metadata__[0]
    required = parameter.default is Parameter.empty
    given: dict[str, Any] = {"required": True} if required else {"required": False, "default": parameter.default}
    many = get_origin(_without_none(kind)) is list
    if isinstance(says, Argument):
        return _DescribedArgument(
            [parameter.name],
            type=_type_of(kind),
            nargs=-1 if many else 1,
            callback=_none_where_empty if many else None,
            metavar=(says.name or parameter.name.replace("_", "-")).upper(),
            help=says.help,
            **given,
        )
    return click.Option(
        [parameter.name, *(says.names or (f"--{parameter.name.replace('_', '-')}",))],
        type=_type_of(kind, says.min),
        help=says.help,
        hidden=says.hidden,
        metavar=None if kind is bool else says.value or _value_of(kind),
        multiple=many,
        callback=_none_where_empty if many else None,
        is_flag=kind is bool,
        show_default=isinstance(parameter.default, str) and bool(parameter.default),
        show_choices=False,
        **given,
    )


def _none_where_empty(context: click.Context, parameter: click.Parameter, values: tuple[Any, ...]) -> list[Any] | None:
    return list(values) or None


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (each for each in get_args(kind) if each is not type(None))
    return kind


def _type_of(kind: Any, least: int | None = None) -> click.ParamType:
    kind = _without_none(kind)
    if get_origin(kind) is list:
        (kind,) = get_args(kind)
    if get_origin(kind) is tuple:
        return click.Tuple([_type_of(each) for each in get_args(kind)])
    if issubclass(kind, StrEnum):
        return _OneOf(kind)
    if least is not None:
        return click.IntRange(min=least)
    return TYPES[kind]


def _value_of(kind: Any) -> str:
    kind = _without_none(kind)
    return {int: "NUMBER", float: "NUMBER", Path: "FILE"}.get(kind, "TEXT")


TYPES: Mapping[type, click.ParamType] = {
    str: click.STRING,
    int: click.INT,
    float: click.FLOAT,
    bool: click.BOOL,
    Path: click.Path(path_type=Path),
}


class _OneOf(click.Choice[str]):
    """Takes a member of an enumeration by its value."""

    def __init__(self, members: type[StrEnum]) -> None:
        super().__init__([each.value for each in members])
        self._members = members

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return self._members(super().convert(value, param, ctx))


class _DescribedArgument(click.Argument):
    """An argument with a line in the help. click's help has no lines for arguments."""

    def __init__(self, *declarations: Any, help: str, **attributes: Any) -> None:
        super().__init__(*declarations, **attributes)
        self.help = help

    def make_metavar(self, ctx: click.Context) -> str:
        many = "..." if self.nargs != 1 else ""
        return f"{self.metavar}{many}" if self.required else f"[{self.metavar}{many}]"

    def get_error_hint(self, ctx: click.Context) -> str:
        return f"'{self.metavar}'"

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        return str(self.metavar), self.help


class HelpText(click.HelpFormatter):
    """Prints headings in bold. click removes the bold if the output is not a terminal."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, click.style("Usage:", bold=True) + " ")

    def write_heading(self, heading: str) -> None:
        super().write_heading(click.style(heading, bold=True))


class HelpContext(click.Context):
    formatter_class = HelpText


class CommandWithArguments(click.Command):
    """A command whose help lists its arguments before its options."""

    context_class = HelpContext

    def __init__(self, name: str, **attributes: Any) -> None:
        super().__init__(name, context_settings={"max_content_width": COLUMNS}, **attributes)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        arguments = [each.get_help_record(ctx) for each in self.params if isinstance(each, _DescribedArgument)]
        if arguments:
            with formatter.section("Arguments"):
                formatter.write_dl(arguments)
        options = [each.get_help_record(ctx) for each in self.get_params(ctx) if isinstance(each, click.Option)]
        with formatter.section("Options"):
            formatter.write_dl([each for each in options if each is not None])
