"""Options and arguments that several commands take, each with the same name and help everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from services.cli.parameters import Argument, Option

Data = Annotated[Path | None, Option(value="FOLDER", help="The data folder [KEYTRAIL_DATA, .keytrail]")]
AsJson = Annotated[bool, Option("--json", help="JSON for machines; of a list, one object a line")]
Yes = Annotated[bool, Option("--yes", help="Do not ask for confirmation; needed where nobody is at a terminal")]
Force = Annotated[bool, Option("--force", help="Replace the file if it exists")]

OfEffect = Annotated[str | None, Option(value="EFFECT", help="allowed or refused")]
KeyArgument = Annotated[str, Argument(help="A key: id, ARN or alias/NAME")]
OfTrail = Annotated[str | None, Option("--trail", value="NAME", help="Ask an imported trail, not Keytrail's own log")]

From = Annotated[
    str | None,
    Option(
        "--from",
        value="TIME",
        help='The beginning: 7d, yesterday, 2026-11-20, "last week", a time or a @position',
    ),
]
To = Annotated[
    str | None,
    Option("--to", value="TIME", help="The end, in the same forms; a day or a week counts as a whole. Default: now"),
]
Since = Annotated[
    str | None,
    Option(
        "--from",
        "--since",
        value="TIME",
        help="The beginning: 7d, yesterday, 2026-11-20, a time or a @position. Default: the beginning of the record",
    ),
]
"""--from, for the commands that had --since in earlier versions."""
At = Annotated[
    str | None,
    Option(
        "--at",
        value="TIME",
        help="As of then: 7d, 2026-11-20 (the end of that day), a time or a @position. Default: now",
    ),
]

Most = Annotated[int | None, Option("--limit", help="How many at most", min=1)]
MostOfAll = Annotated[
    int | None,
    Option("--limit", help="How many at most: the newest, or with --reverse in a table the oldest", min=1),
]
Reverse = Annotated[
    bool,
    Option("--reverse", help="The other order. Tables have the newest first; --json and exports have the oldest first"),
]
Errors = Annotated[bool, Option("--errors", help="Show the sentence that each refused caller was given")]
