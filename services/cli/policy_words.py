"""policy-words: the actions, operators and condition keys that a key policy may use."""

from __future__ import annotations

from typing import Annotated, Any

from services.cli.options import AsJson
from services.cli.parameters import Argument
from services.cli.tables import member, print_rows
from services.cli.terminal import as_line
from services.questions.policy_words import policy_words

ACTION, OPERATOR, CONDITION_KEY = "action", "operator", "condition key"
COLUMNS = (member("word", leads=True), member("kind"), member("meaning", wraps=True))


def words(
    part: Annotated[str | None, Argument(help="Only words that contain this text, in either case")] = None,
    as_json: AsJson = False,
) -> None:
    """The words that a key policy may use: actions, operators of a Condition, and condition keys with what each says. No server
    is needed."""
    found = policy_words()
    if as_json and part is None:
        as_line(found)
        return
    rows = [row for row in _rows(found) if part is None or part.lower() in row["word"].lower()]
    if as_json:
        for row in rows:
            as_line(row)
    else:
        print_rows(rows, COLUMNS, f"(no word contains {part!r})")


def _rows(found: dict[str, Any]) -> list[dict[str, str]]:
    return [
        *({"word": each, "kind": ACTION, "meaning": ""} for each in found["actions"]),
        *({"word": each, "kind": OPERATOR, "meaning": ""} for each in found["operators"]),
        *(
            {"word": each["name"], "kind": CONDITION_KEY, "meaning": each["meaning"]}
            for each in found["condition_keys"]
        ),
    ]
