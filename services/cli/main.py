"""`keytrail`: the command line. Each group of commands has a file. This table joins them, and a file is loaded only when one of
its commands is used."""

from __future__ import annotations

import os
import resource
import signal
import sys

import click

from services.cli.exit_codes import PROGRAM, run
from services.cli.groups import CommandGroup, CommandRow
from services.cli.readers import open_closed_streams

COMMANDS: dict[str, CommandRow] = {
    "up": CommandRow("up:up", "Start Keytrail and keep it running until Ctrl-C"),
    "down": CommandRow("down:down", "Stop the Keytrail that runs on a data folder"),
    "env": CommandRow("env:env", "Print shell text that points aws, boto3 and Terraform at Keytrail"),
    "console": CommandRow("console:console", "Open the console in a browser, signed in"),
    "sign-in": CommandRow("sign_in:sign_in", "Sign in with a password, and print credentials for a shell"),
    "completion": CommandRow("completion:completion", "Print shell text that completes commands on Tab"),
    "status": CommandRow("status:status", "What runs, who leads, positions, lag and sizes", paged=True),
    "doctor": CommandRow("doctor:doctor", "Check the installation, and say what to do about each finding", paged=True),
    "settings": CommandRow("installation_settings:settings", "The settings that the server runs with", paged=True),
    "keys": CommandRow("keys:keys", "The account's keys", paged=True),
    "history": CommandRow("keys:history", "Every change of a key or a principal", paged=True),
    "policy": CommandRow("policies:policy", "A key's policy, now or at an earlier time", paged=True),
    "decisions": CommandRow("decisions:decisions", "Every call, its answer and what decided it", paged=True),
    "last-use": CommandRow("uses:last_use", "When a key was last used, for what and by whom", paged=True),
    "unused": CommandRow("uses:unused", "Permissions that nobody used", paged=True),
    "changes": CommandRow("changes:changes", "Who changed who may do what", paged=True),
    "explain": CommandRow("explanations:explain", "Why a call was decided as it was, or would be", paged=True),
    "prove": CommandRow("proofs:prove", "The record of a call with a proof that anybody can check offline"),
    "evidence": CommandRow(
        "evidence:evidence", "All records about a key or principal, each with its proof, in one file"
    ),
    "verify-evidence": CommandRow("proof_check:verify_evidence", "Check files with proofs offline", paged=True),
    "witness": CommandRow("witness:witness", "Cosign the checkpoints of other installations"),
    "show": CommandRow("as_of:show_as_of", "A key or a principal as it was at a time", paged=True),
    "principals": CommandRow("as_of:principals", "The account's users, groups, roles or policies", paged=True),
    "who-can": CommandRow("access:who_can", "Everyone who could call an operation on a key", paged=True),
    "can-what": CommandRow("access:can_what", "Everything that a principal could do", paged=True),
    "diff": CommandRow("policies:diff", "What two versions of a policy allow differently", paged=True),
    "check-policy": CommandRow("policy_check:check_policy", "Check a policy file without a server", paged=True),
    "make-policy": CommandRow("policy_form:make_policy", "The key policy that the AWS console would make", paged=True),
    "read-policy": CommandRow("policy_form:read_policy", "Who administers and uses a key by such a policy", paged=True),
    "change-policy": CommandRow(
        "policy_form:change_policy", "Such a policy with other administrators or users", paged=True
    ),
    "try-policy": CommandRow("policies:try_policy", "Check a draft as PutKeyPolicy would", paged=True),
    "policy-words": CommandRow("policy_words:words", "The words that a key policy may use", paged=True),
    "what-if": CommandRow("past:what_if", "What a draft of a policy would have decided differently", paged=True),
    "recheck": CommandRow("past:recheck", "Decide every logged decision again and compare", paged=True),
    "alerts": CommandRow("alerts:alerts", "Alerts on risky changes and uses", paged=True),
    "alerts follow": CommandRow("alerts:follow", "Show alerts as they are raised, until Ctrl-C"),
    "alerts show": CommandRow("alerts:show_one", "One alert, what it means and what to do", paged=True),
    "alerts ack": CommandRow("alerts:acknowledge", "Acknowledge an alert: somebody is looking at it"),
    "alerts resolve": CommandRow("alerts:resolve", "Mark an alert as dealt with"),
    "alerts reopen": CommandRow("alerts:reopen", "Open an alert again"),
    "alerts rules": CommandRow("alerts:rules", "Every rule, with your settings", paged=True),
    "alerts notifiers": CommandRow("alerts:notifiers", "How far each notifier is", paged=True),
    "alerts dead-letters": CommandRow("alerts:dead_letters", "Messages that could not be delivered", paged=True),
    "alerts test": CommandRow("alerts_file:try_notifiers", "Send a test message to every notifier"),
    "alerts allow-list": CommandRow(
        "alerts_file:allow_list", "What the alerts file allows, and until when", paged=True
    ),
    "alerts scan": CommandRow("alerts:scan", "What the rules find in the past", paged=True),
    "alerts check": CommandRow("alerts:check", "What the rules say about a draft", paged=True),
    "audit-devices": CommandRow("audit_devices:audit_devices", "The audit devices, and why one fails", paged=True),
    "audit-devices forget": CommandRow("audit_devices:forget", "Forget an audit device that the file no longer names"),
    "import cloudtrail": CommandRow("imports:cloudtrail", "Read AWS CloudTrail files into a trail", paged=True),
    "import policies": CommandRow(
        "imports:policies", "Add policies and grants that AWS reported to a trail", paged=True
    ),
    "trails": CommandRow("trails:trails", "The imported trails", paged=True),
    "trails remove": CommandRow("trails:remove", "Remove a trail"),
    "account create": CommandRow("accounts:create_account", "Host one more account"),
    "account list": CommandRow("accounts:list_accounts", "The accounts that this installation hosts", paged=True),
    "log": CommandRow("log:own_log", "Write the account's own part of the log, for its auditor"),
    "log key": CommandRow("tree_keys:tree_key", "The key that signs the transparency log's checkpoints"),
    "log rotate-key": CommandRow("tree_keys:rotate_tree_key", "Sign checkpoints with a new key"),
    "verify": CommandRow("verification:verify_log", "Check every record and every table on the host", paged=True),
    "export-log": CommandRow("log_export:export_log", "Write the whole log to a file that can be verified elsewhere"),
    "log-keys begin": CommandRow("log_keys:begin", "Authenticate every record from now on"),
    "log-keys rotate": CommandRow("log_keys:rotate", "Authenticate records with a new key"),
    "rebuild": CommandRow("repairs:rebuild", "Build the tables of a projection again from the log"),
    "backup": CommandRow("backup:backup", "Write everything to one sealed file"),
    "restore": CommandRow("backup:restore", "Restore a backup"),
    "master-key rotate": CommandRow("master_key:rotate_master_key", "Seal the vault under another master key"),
    "master-key add": CommandRow("master_key:add_master_key", "Add a new master key to the file"),
    "root-credential rotate": CommandRow("root_credential:rotate", "Make a new access key for the root user"),
    "root-credential retire": CommandRow("root_credential:retire", "Disable an access key of the root user"),
    "upgrade prepare": CommandRow("upgrade:prepare", "Make a snapshot of this version beside the version that runs"),
    "upgrade finish": CommandRow("upgrade:finish", "Let the log hold what this version brings"),
    "topics create": CommandRow("topics:create", "Make topics and rights on your own Kafka"),
    "skip-commands": CommandRow("repairs:skip_commands", "Let the writer pass over lost commands"),
    "skip-records": CommandRow("repairs:skip_records", "Let the notary pass over removed records"),
    "release-due": CommandRow("repairs:release_due", "Let the writer delete and expire again after a restore"),
    "accept-loss": CommandRow("repairs:accept_loss", "Let alert workers go on after brokers lost records"),
}
"""`paged` is set for answers that people read. The other commands run until Ctrl-C, ask a question, print text to copy, or say
that something was done."""

GROUPS: dict[str, str] = {
    "alerts": COMMANDS["alerts"].says,
    "audit-devices": COMMANDS["audit-devices"].says,
    "import": "Import AWS CloudTrail, and policies beside it",
    "trails": COMMANDS["trails"].says,
    "log": COMMANDS["log"].says,
    "account": "The accounts that this installation hosts",
    "master-key": "The key that seals the vault",
    "root-credential": "The access keys of the root user",
    "upgrade": "Before and after an upgrade",
    "topics": "The topics on your own Kafka",
    "log-keys": "The key that records are authenticated with",
}


def command_line() -> click.Group:
    version = click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        help="Print the version and exit.",
        callback=_print_version,
    )
    says = "A key manager that keeps every change and every decision on a verifiable log."
    return CommandGroup(PROGRAM, COMMANDS, GROUPS, help=says, params=[version])


def _print_version(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
    if asked:
        from importlib.metadata import version  # imported only for --version

        click.echo(f"keytrail {version('keytrail')}")
        context.exit()


def main() -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # see command.py: from here on it is reported
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Nobody else on this machine may read logs, exports or other files of our processes, unless their owner allows it. A core
    # dump would hold keys in the clear.
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    open_closed_streams()
    asked = sys.argv[1:]
    if completing := os.environ.get("_KEYTRAIL_COMPLETE"):
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(command_line(), {}, PROGRAM, "_KEYTRAIL_COMPLETE", completing))
    if asked[:1] == ["env"]:
        from services.cli.env import guarded

        guarded(lambda: command_line().main(prog_name=PROGRAM))
    else:
        run(command_line(), asked, COMMANDS)
