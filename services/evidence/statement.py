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
            f"Each of the {self.records} files in records/ is a record of the log {self.log}. It stood at its place when the "
            f"log's key signed the checkpoint of {later} leaves, and has not been changed since.",
        ]
        if earlier:
            found.append(
                f"The tree of {later} leaves begins with the tree of {earlier} leaves, whose checkpoint was signed before "
                f"{self.since}: none of those records was changed or taken out."
            )
        if self.whole:
            found.append(
                f"The file leaves has the hash of each of the {later - earlier} leaves between the two trees: nothing stands in "
                "the log between them beside these. Those that are not in records/ are commitments, which do not say what the "
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
        found = []
        if self.whole:
            found.append(
                f"That the leaves without a file in records/ do not concern {self.about}: this is what the installation says."
            )
        else:
            found.append(
                f"That there are no other records about {self.about}: a selection shows what is there, and not what is missing."
            )
        found += [
            "The time of a record beyond what the installation's clock said. A cosigned checkpoint existed by the time that its "
            "witnesses name.",
            "That everybody was shown the same log, unless witnesses whom you trust cosigned the checkpoint, or you kept an "
            "earlier one yourself.",
            "Anything that only report.html or this statement says: the installation wrote them from the records, and "
            "nobody signs them.",
        ]
        if self.unproven:
            found.append(
                f"{len(self.unproven)} further records concern {self.about} and could not be proven: "
                + "; ".join(self.unproven[:MOST_UNPROVEN])
                + ("; and others, which evidence.json lists." if len(self.unproven) > MOST_UNPROVEN else ".")
            )
        return found

    @property
    def check(self) -> str:
        return (
            "To check it, unpack it and run: python verify.py --log-key KEY. Get the log's key from somebody whom you trust, and "
            "verify.py from a release of Keytrail rather than from this package."
        )

    @property
    def text(self) -> str:
        return (
            "\n\n".join(
                [
                    f"Evidence about {self.about}",
                    "It proves:\n" + _listed(self.proves),
                    "It does not prove:\n" + _listed(self.does_not_prove),
                    self.check,
                ]
            )
            + "\n"
        )


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
