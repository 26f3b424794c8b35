"""`keytrail verify-evidence` of a ZIP: every changed byte is noticed, those of the ZIP's own headers too."""

from __future__ import annotations

import io
import zipfile
from base64 import b64encode
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from click.exceptions import Exit
from hypothesis import given
from hypothesis import strategies as st

from domain.transparency.packages import LEAVES
from services.cli.proof_check import UNREADABLE, read_entry, verify_evidence
from services.evidence import verify
from services.evidence.package_file import PackageFile, written_anew_at
from tests.domain.test_packages import LOG, SCOPE, parts

MADE = datetime.fromisoformat(SCOPE.made)


def zipped(*, whole: bool) -> bytes:
    files, trees = parts(3, 20, [4, 19], whole=whole)
    out = io.BytesIO()
    package = PackageFile(out, MADE)
    for path, content in files.items():
        if path == LEAVES:
            package.add_leaves([b64encode(content).decode()])
        elif path != "verify.py":
            package.add(path, content)
    package.end(SCOPE, trees, [])
    return out.getvalue()


SELECTED, WHOLE = zipped(whole=False), zipped(whole=True)


def said(content: bytes, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code of the check, and what it prints."""
    path = folder / "e.zip"
    path.write_bytes(content)
    code = 0
    try:
        verify_evidence([path], LOG.verifier.text)
    except Exit as end:
        code = end.exit_code
    found = capsys.readouterr()
    return code, " ".join((found.out + found.err).split())


@pytest.mark.parametrize("content", [SELECTED, WHOLE], ids=["selected", "whole"])
def test_a_package_as_it_was_written_holds(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said(content, tmp_path, capsys)
    assert (code, "2 records proven, 0 not" in text, "packed again" in text) == (0, True, False), text


def test_a_package_is_found_in_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "case" / "of-may").mkdir(parents=True)
    (tmp_path / "case" / "of-may" / "other.zip").write_bytes(WHOLE)
    (tmp_path / "case" / "damaged.zip").write_bytes(b"PK")
    code = 0
    try:
        verify_evidence([tmp_path / "case"], LOG.verifier.text)
    except Exit as end:
        code = end.exit_code
    found = capsys.readouterr().out
    assert (code, "2 records proven, 1 not" in found) == (1, True), found


def test_a_package_without_records_holds_and_says_that_there_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, trees = parts(3, 20, [], whole=False)
    out = io.BytesIO()
    package = PackageFile(out, MADE)
    for path, content in files.items():
        if path != "verify.py":
            package.add(path, content)
    package.end(SCOPE, trees, [])
    code, text = said(out.getvalue(), tmp_path, capsys)
    assert (code, "0 records proven, 0 not" in text) == (0, True), text


@pytest.mark.parametrize("about", ["a\nforged.zip: holds, 1234 records proven", "a\x1b[2Jb", "a\u202eb"])
def test_no_text_of_a_package_looks_like_another_line(
    about: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, trees = parts(3, 20, [4], whole=False)
    out = io.BytesIO()
    package = PackageFile(out, MADE)
    for name, content in files.items():
        if name != "verify.py":
            package.add(name, content)
    package.end(replace(SCOPE, about=about), trees, [])
    path = tmp_path / "e.zip"
    path.write_bytes(out.getvalue())
    verify_evidence([path], LOG.verifier.text)
    lines = capsys.readouterr().out.splitlines()
    assert not [each for each in lines if each.startswith("forged.zip")]
    assert all(each.isprintable() for each in lines)


def test_a_half_package_and_what_is_not_there_are_no_proof(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(io.BytesIO(SELECTED)) as package:
        package.extractall(tmp_path / "half", [each for each in package.namelist() if each.startswith("records/")])
    for place, code in ((tmp_path / "half", 1), (tmp_path / "nowhere.json", 2)):
        with pytest.raises(Exit) as ended:
            verify_evidence([place], LOG.verifier.text)
        assert ended.value.exit_code == code
    assert verify.main([str(tmp_path / "half"), "--log-key", LOG.verifier.text]) == verify.REFUSED


def is_noticed(content: bytes) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            verifier = verify.ProofVerifier(LOG.verifier.text, [])
            names = [each.filename for each in package.infolist()]
            faults = [why for _, why, _ in verifier.check_package(names, lambda name: read_entry(package, name)) if why]
            return bool(faults) or written_anew_at(package, io.BytesIO(content)) is not None
    except UNREADABLE:
        return True


@given(st.sampled_from([SELECTED, WHOLE]), st.data())
def test_every_changed_byte_of_the_zip_is_noticed(content: bytes, data: st.DataObject) -> None:
    assert not is_noticed(content)
    at, by = data.draw(st.tuples(st.integers(0, len(content) - 1), st.integers(1, 255)), "byte, change")
    assert is_noticed(content[:at] + bytes([content[at] ^ by]) + content[at + 1 :])


@given(st.sampled_from([SELECTED, WHOLE]), st.binary(min_size=1, max_size=40))
def test_what_follows_a_package_is_noticed(content: bytes, more: bytes) -> None:
    assert is_noticed(content + more)


def test_a_package_that_was_packed_again_holds_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(SELECTED)) as package, zipfile.ZipFile(again, "w", zipfile.ZIP_DEFLATED) as other:
        for name in package.namelist():
            other.writestr(name, package.read(name))
    code, text = said(again.getvalue(), tmp_path, capsys)
    assert (code, "2 records proven, 0 not" in text, "packed again" in text) == (0, True, True), text


def test_a_file_that_would_fill_the_memory_is_notread_entry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("evidence.json", b"0" * (1 << 27))
    code, text = said(bomb.getvalue(), tmp_path, capsys)
    assert (code, "larger than any file of a package" in text) == (1, True)
