"""What everybody gets under /console/, signed or not."""

from __future__ import annotations

import gzip
import http.client
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from services.console import build
from tests.installation import Installation

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
OUTSIDE = [
    "/console/../pyproject.toml",
    "/console/%2e%2e/%2e%2e/etc/passwd",
    "/console/assets/../../current",
    "/console/assets/%2e%2e/%2e%2e/current",
    "/console//etc/passwd",
    "/console/..%5c..%5cpyproject.toml",
    "/console/index.html%00.js",
]
Answer = tuple[int, dict[str, str], bytes]


def ask(served: Installation, path: str, method: str = "GET", **headers: str) -> Answer:
    with closing(http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=30)) as connection:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


@pytest.fixture(scope="module")
def script(served: Installation) -> str:
    """The path of a script of the first page."""
    return ask(served, "/console/")[2].decode().partition('src="')[2].partition('"')[0]


def test_every_answer_says_what_the_page_may_do(served: Installation, script: str) -> None:
    for path in ("/console", "/console/", "/console/keys/1234", script, "/console/assets/gone.js", *OUTSIDE):
        _, headers, _ = ask(served, path)
        found = [headers.get(each) for each in ("content-security-policy", "x-content-type-options", "referrer-policy")]
        assert found == [POLICY, "nosniff", "no-referrer"], path


def test_a_page_is_asked_for_each_time_and_what_it_loads_is_kept_for_ever(served: Installation, script: str) -> None:
    """The name of a script holds a hash of its content."""
    _, page, index = ask(served, "/console/")
    assert (page["cache-control"], page["content-type"]) == ("no-cache", "text/html; charset=utf-8")
    _, loaded, code = ask(served, script)
    assert loaded["cache-control"] == "public, max-age=31536000, immutable"
    assert loaded["content-type"] == "text/javascript; charset=utf-8"
    for path, headers in (("/console/", page), (script, loaded)):
        status, _, body = ask(served, path, if_none_match=headers["etag"])
        assert (status, body) == (304, b"")
        assert ask(served, path, if_none_match='"another"')[0] == 200
        assert ask(served, path, "HEAD")[::2] == (200, b"")
    assert len(index) < len(code)


def test_what_is_large_comes_compressed_to_who_takes_it(served: Installation, script: str) -> None:
    plain = ask(served, script)
    assert "content-encoding" not in plain[1]
    zipped = ask(served, script, accept_encoding="gzip, deflate")
    assert zipped[1]["content-encoding"] == "gzip"
    assert gzip.decompress(zipped[2]) == plain[2]
    best = ask(served, script, accept_encoding="gzip, deflate, br, zstd")
    assert best[1]["content-encoding"] == "br"
    assert len(best[2]) < len(zipped[2]) < len(plain[2])
    assert "content-encoding" not in ask(served, script, accept_encoding="gzip;q=0, br;q=0")[1]
    assert plain[1]["vary"] == "accept-encoding"


def test_a_url_of_a_page_survives_a_reload_and_an_asset_that_is_gone_does_not_become_a_page(
    served: Installation,
) -> None:
    index = ask(served, "/console/")[2]
    for path in ("/console/keys", "/console/keys/alias%2Fa.b/policy?at=%401", "/console/a/b/c.html"):
        assert ask(served, path)[::2] == (200, index)
    assert ask(served, "/console/assets/index-00000000.js")[0] == 404
    status, headers, _ = ask(served, "/console")
    assert (status, headers["location"]) == (308, "/console/")


@pytest.mark.parametrize("path", OUTSIDE)
def test_nothing_outside_the_build_is_read(served: Installation, path: str) -> None:
    status, _, body = ask(served, path)
    assert body == ask(served, "/console/")[2] if status == 200 else (status, len(body)) == (404, 22)


def test_other_methods_and_neighbours_are_refused(served: Installation) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        status, headers, _ = ask(served, "/console/", method)
        assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert ask(served, "/consoles")[0] == 404


def test_what_comes_before_sign_in_is_small(served: Installation) -> None:
    """At most 500 KB compressed: the first page, and what it names and loads."""
    folder = build.current()
    assert folder is not None
    page = ask(served, "/console/")[2].decode()
    named = [each.partition('"')[0] for each in page.split("/console/")[1:]]
    fonts = sum(each.stat().st_size for each in (folder / "assets").glob("*.woff2"))
    size = sum(len(ask(served, f"/console/{name}", accept_encoding="gzip")[2]) for name in named)
    assert 50_000 < size + fonts < 500_000, size
