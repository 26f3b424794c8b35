"""A property that is computed once for each object, even while other objects are computed."""

from __future__ import annotations

import threading

from domain.once import once


class Asked:
    def __init__(self, work: list[str], may_end: threading.Event | None = None) -> None:
        self.work, self.began, self._may_end = work, threading.Event(), may_end

    @once
    def answer(self) -> str:
        """How often the work was done."""
        self.began.set()
        if self._may_end is not None:
            assert self._may_end.wait(30)
        self.work.append("done")
        return f"{len(self.work)}"


def test_it_is_worked_out_once_an_object() -> None:
    one, other = Asked([]), Asked(["before"])
    assert [one.answer, one.answer, other.answer] == ["1", "1", "2"]
    assert one.work == ["done"]
    assert Asked.answer.__doc__ == "How often the work was done."


def test_a_thread_working_on_another_object_keeps_nobody_waiting() -> None:
    """One account's costly policy kept every other account's alert waiting."""
    may_end = threading.Event()
    costly, cheap = Asked([], may_end), Asked([])
    working = threading.Thread(target=lambda: costly.answer)
    working.start()
    try:
        assert costly.began.wait(30)
        found: list[str] = []
        asking = threading.Thread(target=lambda: found.append(cheap.answer), daemon=True)
        asking.start()
        asking.join(30)
        assert found == ["1"], "it waits for the other"
    finally:
        may_end.set()
        working.join()
    assert costly.answer == "1"
