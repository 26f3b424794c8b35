"""verify-evidence: checks proofs and packages of evidence offline."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from click.exceptions import Exit

from domain.characters import visible
from services.cli.failures import fail
from services.cli.options import AsJson
from services.cli.parameters import Argument, Option
from services.cli.screens import err
from services.cli.terminal import as_line, counted, progress_bar, say

if TYPE_CHECKING:  # it loads a library that other commands do not need
    from services.evidence import verify

LARGEST = 1 << 26
"""The most bytes of one file of a package, except for the hashes of leaves, which are not compressed."""


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What the check of one file found. `why`: why it does not hold, or "". `quiet`: people do not read of it if it holds."""

    file: str
    why: str
    shown: str
    is_record: bool
    quiet: bool = False
    more: dict[str, Any] = field(default_factory=dict)


def verify_evidence(
    places: Annotated[
        list[Path],
        Argument(help="Files that `keytrail prove` and `keytrail evidence` wrote, and folders with such files"),
    ],
    log_key: Annotated[
        str | None,
        Option(
            value="KEY", help="The log's key, as `/log/key` of the installation gives it, from somebody whom you trust"
        ),
    ] = None,
    witness_key: Annotated[
        list[str] | None, Option(value="KEY", help="The key of a witness whom you trust. May be repeated")
    ] = None,
    witnesses: Annotated[
        int | None, Option(help="How many of these witnesses must have cosigned. Default: all of them", min=0)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check files with proofs offline: that each record stands in the log of this key at its place, unchanged.

    It asks no server. services/evidence/verify.py does the same for somebody who has no Keytrail.
    """
    from services.evidence import verify

    try:
        verifier = verify.ProofVerifier(log_key or "", witness_key or [], witnesses)
    except ValueError as fault:
        fail(f"{fault}.{_hint(str(fault))}", 2)
    proven = wrong = found = 0
    for place in places:
        for each in _outcomes(verifier, place):
            found += 1
            proven, wrong = proven + (each.is_record and not each.why), wrong + bool(each.why)
            _print(each, as_json=as_json)
    if not found:
        fail("There is no proof in these places.", 2)
    if not as_json:
        say(f"{counted(proven, 'record')} proven, {wrong} not", "bold red" if wrong else "bold green")
    if wrong:
        raise Exit(verify.REFUSED)
    if not (log_key or "").split():
        say(
            "These proofs are signed by a key which the files themselves name. Get the log's key from somebody whom you trust, "
            "and give it as --log-key.",
            "yellow",
            screen=err,
        )
        raise Exit(verify.ONLY_ITS_OWN_KEY)


def _hint(fault: str) -> str:
    """What may be wrong with a key that a fault names."""
    if "+" not in fault:
        return ' If it is a file\'s name, give what the file holds: "$(cat FILE)".'
    return " A key is NAME+ID+BASE64 in one piece: no part of it may be missing, and no line break be in it."


def _print(found: FileOutcome, *, as_json: bool) -> None:
    if as_json:
        why = {"why": found.why} if found.why else {}
        as_line({"file": found.file, "holds": not found.why, **why, **found.more})
    elif found.why:
        say(
            visible(f"{found.file}: does not hold: {found.why}"), "red"
        )  # no text of a package can look like another line
    elif not found.quiet:
        say(visible(f"{found.file}: holds, {found.shown}"))


def _outcomes(verifier: verify.ProofVerifier, place: Path) -> Iterator[FileOutcome]:
    from services.evidence import verify

    if not place.exists():
        fail(f"There is no file or folder {place}.", 2)
    if place.is_dir() and not ((place / verify.MANIFEST).exists() or (place / "records").exists()):
        paths = sorted(path for path in place.rglob("*") if path.suffix in (".json", ".zip") and path.is_file())
    elif place.is_dir() or zipfile.is_zipfile(place):
        yield from _of_package(verifier, place)
        return
    else:
        paths = [place]
    for path in paths:
        yield from _of_package(verifier, path) if zipfile.is_zipfile(path) else [_of_proof(verifier, path)]


def said_of(record: Mapping[str, Any]) -> str:
    """Who called, what and when, and the answer, as far as the record or its parts say it; "" if they do not."""
    texts = [record["value"]] if "value" in record else [each.get("text", "{}") for each in record["parts"].values()]
    found: dict[str, Any] = {}
    try:
        for document in map(json.loads, texts):
            found |= {"at": document["at"]} if "at" in document else {}
            found |= {name: each for name, each in (document.get("call") or {}).items() if isinstance(each, str)}
            found |= {"effect": document["decision"]["effect"]} if document.get("decision") else {}
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
    who = found.get("principal") or found.get("account")
    return " ".join(str(each) for each in (found.get("at"), who, found.get("operation"), found.get("effect")) if each)


def _of_proof(verifier: verify.ProofVerifier, path: Path) -> FileOutcome:
    from services.evidence import verify

    try:
        document, leaf, head = verifier.check(path.read_bytes().decode())
    except (verify.Wrong, *verify.MALFORMED) as fault:
        return FileOutcome(str(path), str(fault), "", is_record=True)
    more = {"leaf": leaf, "size": head.size, "cosigned": head.cosigned, **document}
    shown = verify.what_is_shown(document, leaf, head) + (f": {said}" if (said := said_of(document["record"])) else "")
    return FileOutcome(str(path), "", shown, is_record=True, more=more)


def _of_package(verifier: verify.ProofVerifier, place: Path) -> Iterator[FileOutcome]:
    from services.evidence import verify

    with ExitStack() as held:
        if place.is_dir():
            found = verify.checked(verifier, place)
        else:
            try:
                package = held.enter_context(zipfile.ZipFile(place))
            except (zipfile.BadZipFile, OSError) as fault:
                yield FileOutcome(str(place), f"it cannot be read: {fault}", "", is_record=False)
                return
            names = [each.filename for each in package.infolist() if not each.is_dir()]
            found = verifier.check_package(names, lambda name: read_entry(package, name))
        progress = held.enter_context(progress_bar())
        task = progress.add_task(f"checking {place.name}", total=None)
        for name, why, shown in found:
            progress.advance(task)
            is_record = name.startswith("records/")
            quiet = is_record or shown.startswith("as it is listed")
            yield FileOutcome(f"{place}: {name}", why, shown, is_record=is_record, quiet=quiet, more={"shows": shown})
        if place.is_file():
            _tell_of_the_container(place, package)


def _tell_of_the_container(place: Path, package: zipfile.ZipFile) -> None:
    """A package that was packed again holds all the same, but its file is not the one that was handed out."""
    from services.evidence.package_file import written_anew_at

    try:
        with place.open("rb") as file:
            at = written_anew_at(package, file)
    except (OSError, *UNREADABLE):
        at = 0
    if at is not None:
        say(
            f"{place}: this is not the ZIP as Keytrail wrote it: it was packed again or changed, first near byte {at}. "
            "Its files were checked one by one, as above.",
            "yellow",
            screen=err,
        )


UNREADABLE = (zipfile.BadZipFile, NotImplementedError, RuntimeError, KeyError, EOFError, ValueError)
"""What reading a ZIP raises that somebody damaged."""


def read_entry(package: zipfile.ZipFile, name: str) -> bytes:
    """Raises OSError and ValueError, which count as faults of the file."""
    from services.evidence import verify

    try:
        found = package.getinfo(name)
        if found.file_size > LARGEST and (name != verify.LEAVES or found.compress_type != zipfile.ZIP_STORED):
            raise ValueError("it is larger than any file of a package")
        return package.read(name)
    except UNREADABLE as fault:
        raise OSError(str(fault)) from None
