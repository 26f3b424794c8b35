"""At each position, the history holds what a plain fold of the log has there, whatever happened."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.state import documents
from domain.state.world import World
from projections.history import project
from projections.history.aggregates import world_of
from projections.log.changes import Appends, Closes, InsertsOnce
from tests.histories import History


def everything(world: World) -> dict[str, Any]:
    """Every aggregate of a state, as a document."""
    directory = world.directory
    return {
        "keys": {name: documents.key_document(key) | {"policy": key.policy_text} for name, key in world.keys.items()},
        "aliases": {alias.arn: documents.alias_document(alias) for alias in world.aliases.values()},
        "grants": {
            grant.id: documents.grant_document(grant) for held in world.grants.values() for grant in held.values()
        },
        "accounts": {name: documents.account_document(each) for name, each in world.accounts.items()},
        "identities": {name: documents.identity_document(each) for name, each in directory.identities.items()},
        "policies": {name: documents.policy_document(each) for name, each in directory.policies.items()},
        "by_arn": dict(directory.by_arn),
        "grantees": {
            key: sorted((name, grant.id) for name, held in by_name.items() for grant in held)
            for key, by_name in world.grant_index.by_grantee.items()
            if by_name
        },
    }


@dataclass
class Tables:
    """Apply the three kinds of change, as Postgres would."""

    rows: list[dict[str, Any]]
    texts: dict[str, str]
    moments: list[Any]

    def take(self, changes: list[Any]) -> None:
        for change in changes:
            match change:
                case Closes():
                    for kind, name, position, at in change.rows:
                        for row in self.rows:
                            if (row["kind"], row["id"], row["until_position"]) == (kind, name, project.STILL):
                                row |= {"until_position": position, "until_at": at}
                case InsertsOnce():
                    for digest, text in change.rows:
                        self.texts.setdefault(digest, text)
                case Appends(table="history"):
                    self.rows += [dict(zip(project.COLUMNS, row, strict=True)) for row in change.rows]
                case Appends():
                    self.moments += change.rows

    def world(self, position: int) -> World:
        held = [row for row in self.rows if row["position"] <= position < row["until_position"]]
        texts = [row | {"text": self.texts.get(row["policy"])} for row in held]
        return world_of(texts, "us-east-1", position, 0)


@given(
    seed=st.integers(0, 2**32),
    length=st.integers(1, 60),
    cuts=st.lists(st.integers(1, 20), min_size=1),
    portion=st.sampled_from([1, 2_000, project.MOST_SIZE]),
)
def test_the_history_is_the_fold_at_every_position(seed: int, length: int, cuts: list[int], portion: int) -> None:
    history = History(Random(seed))
    folded = []
    for _ in range(length):
        history.step()
        folded.append((history.world.position, json.dumps(everything(history.world), sort_keys=True, default=repr)))
    tables, going, at = Tables([], {}, []), World(), 0
    for size in cuts * (len(history.entries) // sum(cuts) + 1):  # batch boundaries make no difference
        tables.take(list(project.changes(history.entries[at : at + size], going, portion)))
        at += size
    for position, expected in folded:
        assert json.dumps(everything(tables.world(position)), sort_keys=True, default=repr) == expected
    newest = json.dumps(everything(going), sort_keys=True, default=repr)
    assert newest == folded[-1][1]
    assert [row[0] for row in tables.moments] == list(range(len(history.entries)))
