"""root-credential rotate, root-credential retire: the access keys of a root user."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.text import Text

from services.cli.confirmation import confirm_or_fail
from services.cli.failures import fail
from services.cli.host import reaching_broker_and_database, result_or_exit
from services.cli.options import AsJson, Data, Yes
from services.cli.parameters import Argument, Option
from services.cli.screens import err
from services.cli.terminal import as_line, say, times_or_fail
from services.inherited import FROM_FILE
from services.runtime.data_folder import Credentials, Folder
from services.settings import BadSetting, Settings

if TYPE_CHECKING:
    from services.root_credentials.rotation import RootKeys, RootKeyState

SECRET = "KEYTRAIL_ROOT_SECRET_ACCESS_KEY"  # noqa: S105  # a variable's name

LONGEST_OVERLAP = 8760

OfAccount = Annotated[
    str | None, Option("--account", value="ID", help="The root user of this account. Default: of the first account")
]


def rotate(
    overlap: Annotated[
        float, Option(value="HOURS", help="How long the former access key works beside the new one; 0: not at all")
    ] = 24.0,
    output: Annotated[
        Path | None,
        Option(
            "-o",
            value="FILE",
            help="Where the new credential goes (mode 0600), if the data folder keeps none",
        ),
    ] = None,
    account: OfAccount = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Make a new access key for the root user. The former one is disabled after the overlap, with all that came from it.

    Calls go on. The changes are events on the log. If it is interrupted, run it again with the same file: it goes on with the
    access key that it was making.
    """
    if not 0 <= overlap <= LONGEST_OVERLAP:  # nan is neither
        fail(f"--overlap takes 0 to {LONGEST_OVERLAP} hours.", 2)
    settings = reaching_broker_and_database(data)
    folder, of = Folder(settings.data), account or settings.account_id
    first = of == settings.account_id
    _require_right_place(settings, folder, output, first=first)
    made = _made(settings, folder, output)
    states, changed = _done_or_exit(
        settings, of, lambda keys: keys.rotate(made.access_key_id, made.secret_access_key, overlap)
    )
    if first and folder.path.is_dir():
        # One that still works must not stop the next start.
        folder.keep_replaced([each.access_key for each in states if not each.active])
    if output is None:
        folder.take_next_credentials()
    elif not changed:
        fail(
            f"{output} holds {made.access_key_id}, which works already, and nothing is left to do. Name another file to make "
            "another access key."
        )
    if as_json:
        file = None if output is None else str(output)
        as_line({"access_key": made.access_key_id, "file": file, "keys": _rows(states)})
        return
    say(Text.assemble(("rotated", "bold green"), f": {made.access_key_id} is an access key of the root user now"))
    _show(states)
    say(_what_to_do(output, first=first), screen=err)


def retire(
    access_key: Annotated[str, Argument(help="The access key's id")],
    yes: Yes = False,
    account: OfAccount = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Disable an access key of the root user now, and everything that came from it. It never works again."""
    settings = reaching_broker_and_database(data)
    folder, of = Folder(settings.data), account or settings.account_id
    kept = None if _is_given(settings, folder) else folder.kept_credentials()
    if kept is not None and kept.access_key_id == access_key and of == settings.account_id:
        fail(f"{access_key} is the one that {folder.path} keeps: run `keytrail root-credential rotate` first.")
    if not yes:
        confirm_or_fail(f"Every call that is signed with {access_key} will be refused. Go on?")
    states, _ = _done_or_exit(settings, of, lambda keys: keys.retire(access_key))
    if of == settings.account_id and folder.path.is_dir():
        folder.keep_replaced([access_key])
    if as_json:
        as_line({"access_key": access_key, "keys": _rows(states)})
        return
    _show(states)


def _require_right_place(settings: Settings, folder: Folder, output: Path | None, *, first: bool) -> None:
    """Ends the command if the new credential would not go where the one that is in use is kept."""
    kept = first and not _is_given(settings, folder) and folder.kept_credentials() is not None
    if output is None and not kept:
        fail("Name a file for the new credential: -o FILE. This data folder does not keep the one that is in use.", 2)
    if output is not None and kept:
        fail(f"Leave out -o: {folder.path} keeps the credential, and `keytrail env` reads it from there.", 2)


def _is_given(settings: Settings, folder: Folder) -> bool:
    """Whether settings name the root user's access key: those of this command, or of the installation that runs."""
    running = folder.live_state()
    return bool(settings.root_access_key_id) or (running is not None and running.given_root)


def _made(settings: Settings, folder: Folder, output: Path | None) -> Credentials:
    """The new credential, kept in a file before anything else knows it."""
    from services.root_credentials.credential_file import kept_or_new  # see host.py

    try:
        return folder.next_credentials(settings.region) if output is None else kept_or_new(output)
    except BadSetting as fault:
        fail(str(fault))
    except OSError as fault:
        fail(f"{output or folder.path} cannot be written: {fault.strerror}. Name another file.")


RootKeyWork = Callable[["RootKeys"], Awaitable["list[RootKeyState]"]]


def _done_or_exit(settings: Settings, account: str, work: RootKeyWork) -> tuple[list[RootKeyState], bool]:
    """All access keys afterwards, and whether anything was changed."""
    return result_or_exit(lambda _: _with_keys(settings, account, work))


async def _with_keys(settings: Settings, account: str, work: RootKeyWork) -> tuple[list[RootKeyState], bool]:
    from services.adapters.keyring import open_keyring  # see host.py
    from services.root_credentials.rotation import RootKeys
    from services.runtime.bootstrap import open_pool, open_vault

    pool = await open_pool(settings)
    try:
        vault = open_vault(settings, pool)
        async with RootKeys(settings, pool, vault, await open_keyring(vault), account) as keys:
            return await work(keys), keys.changed
    finally:
        await pool.close()


def _rows(states: Sequence[RootKeyState]) -> list[dict[str, Any]]:
    from domain.log.codec import rfc3339

    return [
        {
            "access_key": each.access_key,
            "status": "Active" if each.active else "Inactive",
            "ends": None if each.ends is None else rfc3339(each.ends),
        }
        for each in states
    ]


def _show(states: Sequence[RootKeyState]) -> None:
    times = times_or_fail()
    for row in _rows(states):
        ends = "" if row["ends"] is None else f", until {times.shown(row['ends'])}"
        say(f"{row['access_key']}  {row['status']}{ends}")


def _what_to_do(output: Path | None, *, first: bool) -> str:
    """Where the former credential is named, and what has to stand there now."""
    if output is None:
        return 'The data folder keeps the new one. In each shell that has the former one: eval "$(keytrail env)"'
    if not first:
        return f"{output} holds it: give it to whoever has the root user of that account, and remove the file."
    file = os.environ.get(SECRET + FROM_FILE)
    place = f"into {file}" if file else f"where {SECRET}, or the file of {SECRET}{FROM_FILE}, has the former one"
    return (
        f"{output} holds it. On every machine, before a process starts again: set KEYTRAIL_ROOT_ACCESS_KEY_ID to the new id, and "
        f"put the new secret {place}. Then remove {output}. A process that names the former one after its end does not bring it "
        "back, and its log says so."
    )
