"""Which process of the tests starts which shared installation."""

from __future__ import annotations

from tests.scheduling import FEW, next_file

KINDS = {
    **{f"console{number}": "served" for number in range(20)},
    **{f"attack{number}": "attacked" for number in range(2)},
    **{f"wire{number}": "installation" for number in range(50)},
    **{f"domain{number}": "short" for number in range(60)},
}
FREE = [f"e2e{number}" for number in range(20)]


def run(waiting: list[str], processes: int = 3) -> list[list[str]]:
    """The files of each process, which takes its next one in its turn until it may end."""
    got: list[list[str]] = [[] for _ in range(processes)]
    running = list(range(processes))
    while waiting and running:
        for number in list(running):
            others = [files for each, files in enumerate(got) if each != number]
            chosen = next_file(waiting, KINDS, got[number], others) if waiting else None
            if chosen is None:
                running.remove(number)
            else:
                waiting.remove(chosen)
                got[number].append(chosen)
    assert waiting == []
    return got


def starters(got: list[list[str]], fixture: str) -> int:
    return sum(fixture in {KINDS.get(each) for each in files} for files in got)


def test_few_processes_start_a_shared_installation_and_each_file_runs_once() -> None:
    waiting = [*KINDS, *FREE]
    got = run(list(waiting))
    assert sorted(each for files in got for each in files) == sorted(waiting)
    assert [starters(got, each) for each in ("served", "attacked", "installation")] == [1, 1, 2]


def test_a_process_without_an_installation_helps_with_many_files_and_ends_before_few() -> None:
    wire = [each for each in KINDS if each.startswith("wire")]
    assert starters(run(list(wire)), "installation") == 3
    assert starters(run(wire[: FEW + 2]), "installation") == 2


def test_one_process_gets_all() -> None:
    waiting = [*KINDS, *FREE]
    assert sorted(run(list(waiting), 1)[0]) == sorted(waiting)
