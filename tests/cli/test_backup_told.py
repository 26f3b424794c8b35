"""What `keytrail backup` and `keytrail restore` say at their end."""

from __future__ import annotations

import pytest

from services.cli.backup import _show


@pytest.mark.parametrize("lacking", [[], ["AKIAONE"]])
def test_the_last_line_says_what_was_done_whatever_the_vault_lacks(
    lacking: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _show({"events": 3}, False, "restored", lacking)
    said = capsys.readouterr()
    assert said.err.splitlines()[-1] == "restored"
    assert ("AKIAONE" in said.err) == bool(lacking)
