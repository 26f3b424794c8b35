"""What an API worker serves of the console while it is built anew."""

from __future__ import annotations

from pathlib import Path

from services.console.files import ConsoleFiles
from services.kms_api.app import AsgiScope


async def answer(files: ConsoleFiles, path: str) -> tuple[int, bytes]:
    sent = []

    async def send(message: AsgiScope) -> None:
        sent.append(message)

    async def receive() -> AsgiScope:
        raise AssertionError("a request for a file has no body")

    await files({"type": "http", "method": "GET", "path": path, "headers": []}, receive, send)
    return sent[0]["status"], b"".join(each["body"] for each in sent[1:])


def put_build(made: Path, name: str, files: dict[str, str]) -> None:
    for path, text in files.items():
        place = made / "built" / name / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    (made / "current.new").write_text(name)
    (made / "current.new").replace(made / "current")


async def test_a_worker_serves_a_new_build_from_its_first_page_on(tmp_path: Path) -> None:
    """What the former page loads is there as before: a page that is open asks for it when it is first shown."""
    files = ConsoleFiles(tmp_path)
    assert (await answer(files, "/console/"))[0] == 503
    put_build(tmp_path, "a", {"index.html": "first", "assets/a.js": "a"})
    assert await answer(files, "/console/keys") == (200, b"first")
    put_build(tmp_path, "b", {"index.html": "second", "assets/b.js": "b"})
    assert await answer(files, "/console/assets/a.js") == (200, b"a")
    assert await answer(files, "/console/") == (200, b"second")
    assert await answer(files, "/console/assets/b.js") == (200, b"b")
    assert await answer(files, "/console/assets/a.js") == (200, b"a")
    assert (await answer(files, "/console/assets/c.js"))[0] == 404
    assert await answer(ConsoleFiles(tmp_path), "/console/assets/a.js") == (200, b"a"), "also after a restart"


async def test_a_file_of_another_kind_is_not_served(tmp_path: Path) -> None:
    put_build(tmp_path, "a", {"index.html": "page", "assets/a.js": "a", "assets/a.map": "source", "assets/.env": "x"})
    files = ConsoleFiles(tmp_path)
    for name in ("a.map", ".env", "a.js/"):
        assert (await answer(files, f"/console/assets/{name}"))[0] == 404
