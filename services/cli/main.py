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

from services.cli.endings import run
from services.cli.pager import paging
from services.cli.terminal import as_it_is

COMMANDS: dict[str, str] = {
    "up": "services.cli.running:up",
    "env": "services.cli.shell:env",
    "status": "services.cli.looking:status",
    "keys": "services.cli.asking:keys",
    "history": "services.cli.asking:history",
    "policy": "services.cli.asking:policy",
    "decisions": "services.cli.deciding:decisions",
    "last-use": "services.cli.deciding:last_use",
    "unused": "services.cli.deciding:unused",
    "changes": "services.cli.reviewing:changes",
    "explain": "services.cli.explaining:explain",
    "show": "services.cli.showing:show_as_of",
    "who-can": "services.cli.access:who_can",
    "can-what": "services.cli.access:can_what",
    "diff": "services.cli.comparing:diff",
    "check-policy": "services.cli.comparing:check_policy",
    "what-if": "services.cli.questions:what_if",
    "recheck": "services.cli.questions:recheck",
    "alerts": "services.cli.alerting:alerts",
    "alerts follow": "services.cli.alerting:follow",
    "alerts show": "services.cli.alerting:show_one",
    "alerts ack": "services.cli.alerting:acknowledge",
    "alerts resolve": "services.cli.alerting:resolve",
    "alerts reopen": "services.cli.alerting:reopen",
    "alerts rules": "services.cli.alerting:rules",
    "alerts notifiers": "services.cli.alerting:notifiers",
    "alerts dead-letters": "services.cli.alerting:dead_letters",
    "alerts test": "services.cli.alerts_file:try_notifiers",
    "alerts allow-list": "services.cli.alerts_file:allow_list",
    "alerts scan": "services.cli.alerting:scan",
    "alerts check": "services.cli.alerting:check",
    "import cloudtrail": "services.cli.importing:cloudtrail",
    "import policies": "services.cli.importing:policies",
    "trails": "services.cli.trails:trails",
    "trails remove": "services.cli.trails:remove",
    "account create": "services.cli.asking:create_account",
    "log": "services.cli.own_log:own_log",
    "verify": "services.cli.verification:verify_log",
    "export-log": "services.cli.proving:export_log",
    "log-keys begin": "services.cli.log_keys:begin",
    "log-keys rotate": "services.cli.log_keys:rotate",
    "rebuild": "services.cli.proving:rebuild",
    "backup": "services.cli.keeping:backup",
    "restore": "services.cli.keeping:restore",
    "master-key rotate": "services.cli.keeping:rotate_master_key",
    "master-key add": "services.cli.keeping:add_master_key",
    "skip-commands": "services.cli.proving:skip_commands",
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
        from services.cli.shell import guarded  # only here: see above

        guarded(build(wanted))
    else:
        run(lambda: build(wanted or list(COMMANDS)), asked, COMMANDS)
