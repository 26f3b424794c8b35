"""Keys that are read when they are asked for are the same keys as those that were read at once."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from domain.keys.key import Key
from domain.state.key_index import KeyIndex, KeysReadLater
from tests.given import ACCOUNT, OTHER, a_key, key_id
from tests.given import given as given_events

KEYS = {key.id: key for key in given_events(*[a_key(number) for number in range(1, 9)]).world.keys.values()}
IDS = [*KEYS, key_id(99)]


class Counted:
    """Makes each key, and counts how often."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def make(self, id: str) -> Key:
        self.made.append(id)
        return KEYS[id]


@given(st.integers(), st.integers(0, 30))
def test_whatever_is_done_to_them_they_answer_as_a_dictionary_does(seed: int, steps: int) -> None:
    chance, counted = Random(seed), Counted()
    plain, later = dict(KEYS), KeysReadLater({id: id for id in KEYS}, counted.make)
    for _ in range(steps):
        id, other = chance.choice(IDS), KEYS[chance.choice([*KEYS])]
        match chance.randrange(7):
            case 0:
                assert later.get(id) is plain.get(id)
            case 1:
                assert (id in later) == (id in plain)
            case 2:
                plain[id] = later[id] = other
            case 3:
                assert later.pop(id, None) is plain.pop(id, None)
            case 4:
                assert sorted(later) == sorted(plain)
            case 5:
                assert dict(later.items()) == plain
            case _:
                assert len(later) == len(plain)
    assert dict(later.items()) == plain
    assert len(counted.made) == len(set(counted.made)), "a key was made twice"


def test_a_key_that_nobody_asks_for_is_not_made() -> None:
    counted = Counted()
    index = KeyIndex.read_later({id: (ACCOUNT, id) for id in KEYS}, counted.make)
    assert len(index.by_id) == len(KEYS)
    assert key_id(3) in index.by_id
    assert index.by_id.get(key_id(99)) is None
    assert list(index.ids.of(ACCOUNT)) == sorted(KEYS)
    assert index.ids.of(OTHER) == []
    assert counted.made == []
    assert index.by_id[key_id(3)] is KEYS[key_id(3)]
    assert counted.made == [key_id(3)]
