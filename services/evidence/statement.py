"""What a package of evidence proves and what it does not, in the words of its report and of its file STATEMENT.txt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

WHICH = {"before": "earlier", "after": "later"}
MOST_UNPROVEN = 20
"""So many records that could not be proven are named one by one; the list of files has all of them."""


@dataclass(frozen=True, slots=True)
class EvidenceStatement:
    """`trees`: the sizes of the earlier and the later tree; `records`: how many are proven; `whole`: all leaves come along."""

    about: str
    log: str
    keys: Sequence[str]
    """The id of the key that signed the later checkpoint, and of the one that signed the earlier one, if it is another."""
    trees: tuple[int, int]
    since: str
    records: int
    whole: bool
    unproven: Sequence[str]
    stamped: Sequence[str] = ()
    """Which of the two checkpoints have a time stamp: before, after."""

    @property
    def proves(self) -> list[str]:
        earlier, later = self.trees
        each = "The record" if self.records == 1 else f"Each of the {self.records} records"
        signer = f"The log's earlier key {self.keys[1]}" if len(self.keys) > 1 else "The same key"
        found = [
            f"The key {self.keys[0]} of the log {self.log} signed a checkpoint: a digest of the log's first {later} records. "
            f"{each} in records/ is among them, at the place that its file names, exactly as the "
            "file has it.",
        ]
        if earlier:
            found.append(
                f"{signer} signed an earlier checkpoint, of the first {earlier} records. Between the two checkpoints, none of "
                "these was changed or removed."
            )
        if self.whole:
            which = f"records {earlier} to {later - 1}" if earlier else f"the first {later} records"
            found.append(
                f"The file named leaves lists a hash of each of {which} of the log, which are {later - earlier}. The log has no "
                "others among them. A hash without a file in records/ does not show what its record says. You may name the "
                "number of any of them and ask to be shown the record."
            )
        found += [
            f"The {WHICH[name]} checkpoint existed at the time that {name}.tsr states, by the stamp of an authority (RFC 3161). "
            f"To check it: openssl ts -verify -data {name}.checkpoint -in {name}.tsr -CAfile ROOT."
            for name in self.stamped
        ]
        return found

    @property
    def does_not_prove(self) -> list[str]:
        completeness = (
            f"That the leaves without a file in records/ do not concern {self.about}. The installation says so."
            if self.whole
            else f"That there are no other records about {self.about}. A selection shows what is there, not what is missing."
        )
        return [
            completeness,
            "That what a record says is true. The installation wrote it, and has not changed it since.",
            "When a record was made. Its time is that of the installation's clock. If witnesses whom you trust "
            "cosigned a checkpoint, its records were there at the time that they give.",
            "That everybody was shown the same log, unless witnesses whom you trust cosigned the checkpoint, or you kept an "
            "earlier one yourself.",
            "What only report.html or this statement says. The installation wrote both from the records, and neither is signed.",
        ]

    @property
    def not_in_it(self) -> list[str]:
        """The records that could not be proven; the last item may stand for further ones."""
        more = len(self.unproven) - MOST_UNPROVEN
        listed = list(self.unproven[:MOST_UNPROVEN])
        return [*listed, f"and {more} more, which evidence.json lists"] if more > 0 else listed

    @property
    def sections(self) -> list[tuple[str, list[str]]]:
        """Headings, each with its items."""
        found = [("It proves", self.proves), ("It does not prove", self.does_not_prove)]
        if self.unproven:
            found.append((f"Not in the package: {len(self.unproven)} further records about it", self.not_in_it))
        return found

    @property
    def check(self) -> str:
        return (
            "To check it, unpack it and run: python verify.py --log-key KEY. Get the log's key from somebody whom you trust, and "
            "verify.py from a release of Keytrail rather than from this package."
        )

    @property
    def text(self) -> str:
        parts = [f"{heading}:\n{_listed(items)}" for heading, items in self.sections]
        return "\n\n".join([f"Evidence about {self.about}", *parts, self.check]) + "\n"


def _listed(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {each}" for each in sentences)


def statement_of(
    scope: dict[str, Any], trees: dict[str, Any], records: int, unproven: Sequence[str], stamped: Sequence[str]
) -> EvidenceStatement:
    """From what the audit API tells of a package."""
    earlier, later = trees["sizes"]
    keys = [each.split("+") for each in str(trees["key"]).split()]
    return EvidenceStatement(
        scope["about"],
        keys[0][0],
        [each[1] for each in keys],
        (earlier, later),
        scope["from"],
        records,
        bool(trees["whole"]),
        unproven,
        stamped,
    )
