"""What a package of evidence proves and what it does not, in the words of its report and of its file STATEMENT.txt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MOST_UNPROVEN = 20
"""So many records that could not be proven are named one by one; the list of files has all of them."""


@dataclass(frozen=True, slots=True)
class EvidenceStatement:
    """`trees`: the sizes of the earlier and the later tree; `records`: how many are proven; `whole`: all leaves come along."""

    about: str
    log: str
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
        found = [
            f"The key of the log {self.log} signed a checkpoint of {later} leaves. Each of the {self.records} records in "
            "records/ was in that tree, at the place that its file names, exactly as the file has it.",
        ]
        if earlier:
            found.append(
                f"The same key signed a checkpoint of {earlier} leaves, and the tree of {later} leaves begins with that tree: no "
                f"record among the first {earlier} was changed or removed."
            )
        if self.whole:
            found.append(
                f"The file leaves has the hash of each of the {later - earlier} leaves between the two trees. The log has no "
                "other leaves between them. A leaf without a file in records/ is a commitment, which does not say what its "
                "record is. You may name the number of any leaf and ask to be shown its record."
            )
        found += [
            f"The checkpoint {name} existed at the time in {name}.tsr, by the stamp of an authority (RFC 3161). To check it: "
            f"openssl ts -verify -data {name}.checkpoint -in {name}.tsr -CAfile ROOT."
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
            "When a record was made. Its time is that of the installation's clock. If witnesses cosigned a checkpoint, it "
            "existed at the time that they give.",
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
    log = str(trees["key"]).partition("+")[0]
    return EvidenceStatement(
        scope["about"], log, (earlier, later), scope["from"], records, bool(trees["whole"]), unproven, stamped
    )
