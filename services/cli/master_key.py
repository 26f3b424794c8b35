"""master-key add, master-key rotate: the key that seals the vault."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich.text import Text

from services.cli.confirmation import confirm_or_fail
from services.cli.failures import fail
from services.cli.host import TellBar, reaching, result_or_exit
from services.cli.options import AsJson, Data, Yes
from services.cli.parameters import Option
from services.cli.screens import err
from services.cli.terminal import as_line, counted, say, settings_or_fail
from services.settings import Settings

if TYPE_CHECKING:
    from services.adapters.master_key import FileMasterKey


def add_master_key(as_json: AsJson = False, data: Data = None) -> None:
    """Add a new master key to the file. Copy the file to every machine before you run `keytrail master-key rotate`."""
    settings = settings_or_fail(data=data)
    name = _added(settings)
    if as_json:
        as_line({"master_key": name, "file": str(settings.master_key_path)})
    else:
        say(f"{settings.master_key_path} has master key {name} too: copy the file to every machine now")


def _added(settings: Settings) -> str:
    """The new key's name."""
    from services.adapters.master_key import FileMasterKey, MasterKeyRefused  # see host.py

    try:
        return FileMasterKey(settings.master_key_path).add()
    except MasterKeyRefused as fault:
        fail(str(fault))


def rotate_master_key(
    destroy_old: Annotated[
        bool, Option("--destroy-old", help="Destroy the old keys. What they sealed is lost for good")
    ] = False,
    backup_to: Annotated[
        Path | None, Option("--backup", help="With --destroy-old: write a backup under the new key to this file first")
    ] = None,
    no_backup: Annotated[bool, Option("--no-backup", help="With --destroy-old: go on without a backup")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Seal the vault under another master key. Calls go on meanwhile. If it is interrupted, run it again: it goes on where it
    stopped."""
    settings = reaching(data)
    if destroy_old:
        _require_backup(backup_to, no_backup=no_backup)
        if not yes:
            confirm_or_fail(
                "Backups taken so far can never be opened again, and key material deleted so far can never be recovered. "
                "Go on?"
            )
    elif backup_to is not None or no_backup:
        fail("--backup and --no-backup go with --destroy-old.", 2)
    name, rows, retired, destroyed = result_or_exit(
        lambda tell: _rotate(settings, tell, destroy=destroy_old, backup_to=backup_to)
    )
    if as_json:
        as_line({"master_key": name, "rows": rows, "retired": str(retired), "destroyed": destroyed})
        return
    say(Text.assemble("sealed under master key ", (name, "green"), f" now: {counted(rows, 'row')}"))
    if not destroy_old:
        words = f"Earlier backups need the old key: it is kept in {retired}. Move that away, and destroy it when they expire."
        say(words, screen=err)
        return
    say(f"destroyed: {', '.join(destroyed)}. Destroy every copy of them, and restart what has them in memory.")


def _require_backup(backup_to: Path | None, *, no_backup: bool) -> None:
    """Once the old keys are destroyed, only a backup under the new key can be restored. --no-backup does without one."""
    if (backup_to is None) is not no_backup:
        fail("--destroy-old needs --backup FILE, or --no-backup to go on without one.", 2)
    if backup_to is not None and backup_to.exists():
        fail(f"{backup_to} exists already: choose another name.", 2)


def _require_not_put_back(master: FileMasterKey, under: str) -> None:
    """An old key that was put back behind the newer ones, for an earlier backup, would pass for the newest: the others would be
    taken out, and the vault would stay under the old one."""
    if len(master.names()) > 1 and master.newest() == under and under in master.names_of_retired():
        fail(
            f"The vault is sealed under {under}, which {master.retired} has too: it was rotated before, and an earlier backup "
            f"was restored since. Put the line of {under} first in {master.path}, and run this again. It takes that key out."
        )


async def _rotate(
    settings: Settings, tell: TellBar, *, destroy: bool, backup_to: Path | None
) -> tuple[str, int, Path, list[str]]:
    """Returns (the new key's name, how many rows it sealed again, where the old keys are, which were destroyed)."""
    from services.adapters.master_key import FileMasterKey  # see host.py
    from services.adapters.vault import Vault
    from services.backup.dump import take_backup
    from services.runtime.bootstrap import open_pool

    master = FileMasterKey(settings.master_key_path)
    pool = await open_pool(settings)
    try:
        vault = Vault(pool, master)
        async with vault.rotating():
            under = await vault.under()
            _require_not_put_back(master, under)
            if master.newest() == under and len(master.names()) == 1:
                master.add()
            if master.newest() != under:
                await vault.adopt(master.newest())
            name, rows = master.newest(), await vault.rewrap(lambda done, total: tell("sealing anew", done, total))
            if not destroy:
                return name, rows, master.retire(name), []
            if backup_to is not None:
                await take_backup(settings, backup_to, tell)
            # Checked last, and under the lock: a late process may have sealed something under an old key.
            if left := await vault.under_others():
                fail(f"{left} rows are still sealed under an old key, so the old keys were kept: run this again.")
            # Not before: with the old key in the file, a rotation that failed goes on, and needs no third key.
            master.retire(name)
            return name, rows, master.retired, master.destroy_retired()
    finally:
        await pool.close()
