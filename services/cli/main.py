"""`keytrail`: the command line. One file a family of commands; this table joins them.

Only the file of the command that is asked for is imported: all of them together take a second.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Annotated

import typer

from services.cli.exit_codes import run
from services.cli.pager import paging
from services.cli.terminal import as_it_is

COMMANDS: dict[str, str] = {
    "up": "services.cli.up:up",
    "env": "services.cli.env:env",
    "status": "services.cli.status:status",
    "keys": "services.cli.keys:keys",
    "history": "services.cli.keys:history",
    "policy": "services.cli.keys:policy",
    "decisions": "services.cli.decisions:decisions",
    "last-use": "services.cli.decisions:last_use",
    "unused": "services.cli.decisions:unused",
    "changes": "services.cli.changes:changes",
    "explain": "services.cli.explanations:explain",
    "show": "services.cli.as_of:show_as_of",
    "who-can": "services.cli.access:who_can",
    "can-what": "services.cli.access:can_what",
    "diff": "services.cli.policies:diff",
    "check-policy": "services.cli.policies:check_policy",
    "what-if": "services.cli.past:what_if",
    "recheck": "services.cli.past:recheck",
    "alerts": "services.cli.alerts:alerts",
    "alerts follow": "services.cli.alerts:follow",
    "alerts show": "services.cli.alerts:show_one",
    "alerts ack": "services.cli.alerts:acknowledge",
    "alerts resolve": "services.cli.alerts:resolve",
    "alerts reopen": "services.cli.alerts:reopen",
    "alerts rules": "services.cli.alerts:rules",
    "alerts notifiers": "services.cli.alerts:notifiers",
    "alerts dead-letters": "services.cli.alerts:dead_letters",
    "alerts test": "services.cli.alerts_file:try_notifiers",
    "alerts allow-list": "services.cli.alerts_file:allow_list",
    "alerts scan": "services.cli.alerts:scan",
    "alerts check": "services.cli.alerts:check",
    "import cloudtrail": "services.cli.imports:cloudtrail",
    "import policies": "services.cli.imports:policies",
    "trails": "services.cli.trails:trails",
    "trails remove": "services.cli.trails:remove",
    "account create": "services.cli.keys:create_account",
    "log": "services.cli.log:own_log",
    "verify": "services.cli.verification:verify_log",
    "export-log": "services.cli.log_export:export_log",
    "log-keys begin": "services.cli.log_keys:begin",
    "log-keys rotate": "services.cli.log_keys:rotate",
    "rebuild": "services.cli.log_export:rebuild",
    "backup": "services.cli.backup:backup",
    "restore": "services.cli.backup:restore",
    "master-key rotate": "services.cli.backup:rotate_master_key",
    "master-key add": "services.cli.backup:add_master_key",
    "skip-commands": "services.cli.log_export:skip_commands",
}

PAGED = frozenset({
    "status", "keys", "history", "policy", "decisions", "last-use", "unused", "changes", "explain", "show", "who-can",
    "can-what", "diff", "check-policy", "what-if", "recheck", "alerts", "alerts show", "alerts rules", "alerts notifiers",
    "alerts dead-letters", "alerts allow-list", "alerts scan", "alerts check", "import cloudtrail", "import policies",
    "trails", "verify",
})  # fmt: skip
"""Commands whose answer is read in a pager where it is longer than the screen. The others go on until Ctrl-C, ask, print what is
copied, or say that something was done."""

GROUPS: dict[str, str] = {
    "alerts": "Risky changes and uses: without a command, those that were raised.",
    "import": "Trails from elsewhere.",
    "trails": "Trails from elsewhere: without a command, which there are.",
    "account": "Accounts that this installation hosts.",
    "master-key": "The key that seals the vault.",
    "log-keys": "The key that records are authenticated with.",
}


def build(names: list[str]) -> typer.Typer:
    """The command line with these commands."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,  # a traceback with local variables could show a secret
        help="A key manager that keeps every change and every decision on a verifiable log.",
    )
    app.callback()(_common)  # with a callback a lone command keeps its name
    groups: dict[str, typer.Typer] = {}
    for name in names:
        module, _, function = COMMANDS[name].partition(":")
        group, _, short = name.rpartition(" ")
        run = getattr(import_module(module), function)
        if name in PAGED:
            run = paging(run)
        if name in GROUPS:  # the group's own command, which stands before the others
            groups[name] = typer.Typer(invoke_without_command=True, help=GROUPS[name])
            groups[name].callback()(run)
            app.add_typer(groups[name], name=name)
            continue
        if group and group not in groups:
            groups[group] = typer.Typer(no_args_is_help=True, help=GROUPS[group])
            groups[group].callback()(lambda: None)
            app.add_typer(groups[group], name=group)
        (groups[group] if group else app).command(short)(run)
    return app


def _version(asked: bool) -> None:
    if asked:
        as_it_is(f"keytrail {version('keytrail')}")
        raise typer.Exit


def _common(
    own: Annotated[bool, typer.Option("--version", help="Print the version", is_eager=True, callback=_version)] = False,
) -> None:
    """Options of every command."""


def main() -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # services/cli/command.py: from here on it is told
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Logs, exports and whatever a process makes that we start: nobody else on this machine reads them, unless their owner
    # says so. A core dump would hold keys in the clear.
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    asked = sys.argv[1:]
    if asked[:1] == ["--version"]:  # without the commands, which take a second to load
        run(lambda: build([]), asked, COMMANDS)
    wanted = [name for name in COMMANDS if asked and name.split(" ")[0] == asked[0]]
    if asked[:1] == ["env"]:
        from services.cli.env import guarded  # only here: see above

        guarded(build(wanted))
    else:
        run(lambda: build(wanted or list(COMMANDS)), asked, COMMANDS)
