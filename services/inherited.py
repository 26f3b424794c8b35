"""How our own processes are started, and what a process that we start gets of our environment: what it needs, and no secret.

An environment can be read as long as its process lives, is passed on to every process that it starts, and is printed into crash
reports. So each child gets only named variables. Secrets come through a pipe, which is empty once it was read.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping

SERVER = frozenset({"PATH", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH"})
"""For Kafka's Java and for Postgres: how to find libraries, and how to read the names of files."""
ROLE = frozenset(
    {
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    }
)
"""Where AWS's SDKs find the credentials of a role. None of these is a secret."""
OWN = SERVER | ROLE | {"HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "VIRTUAL_ENV"}
"""For our own processes: also where certificates are."""
PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"})
FETCH = PROXIES | {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}
"""For the process that fetches Kafka, beside what our own processes get: how to reach Maven Central. Their names are in
either case, as curl reads them."""
BUILD = OWN | PROXIES | {"NODE_EXTRA_CA_CERTS"}
"""For the build of the console: also how to reach the npm registry."""
BUNDLED_KAFKA = "KEYTRAIL_BUNDLED_KAFKA"
"""Set for our own processes: the broker is the bundled one, which has no replica."""
CHILD = "KEYTRAIL_CHILD"
"""Set for each of our processes that `keytrail up` starts, and starts again when it ends: its name."""
MARKS = frozenset(
    {
        *(BUNDLED_KAFKA, CHILD, "KEYTRAIL_BROKER_AHEAD", "KEYTRAIL_CONTROLLER_PASSWORD_FILE", "KEYTRAIL_FORK_SERVER"),
        *("KEYTRAIL_ALERTS_NAME", "KEYTRAIL_LISTEN_FD", "KEYTRAIL_TEST_CLOCK", "KEYTRAIL_URL", "KEYTRAIL_WRITER_NAME"),
    }
)
"""Every variable of our own that is no setting."""
LOCALE, PYTHON, NPM = "LC_", "PYTHON", "NPM_CONFIG_"
FROM_FILE = "_FILE"
"""NAME_FILE names a file that holds the setting NAME."""


def for_server() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name in SERVER or name.startswith(LOCALE)}


def for_own() -> dict[str, str]:
    """The environment of our own processes. With PYTHONSAFEPATH, processes that they start do not look for modules in the
    current folder either."""
    passed = {name: value for name, value in os.environ.items() if name in OWN or name.startswith((LOCALE, PYTHON))}
    return passed | {"PYTHONSAFEPATH": "1"}


def for_fetch() -> dict[str, str]:
    """The environment of the process that fetches Kafka's jars: a company's proxy, and the authority that signs for it."""
    return for_own() | {name: value for name, value in os.environ.items() if name.upper() in FETCH}


def for_build() -> dict[str, str]:
    """The environment of npm and Vite. They run code of packages that others wrote."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in BUILD or name.upper().startswith(NPM) or name.startswith(LOCALE)
    }


def python(module: str) -> list[str]:
    # -P: without it Python looks for modules first in the folder in which `keytrail up` was started. Others who may
    # write to that folder could then choose what runs.
    return [sys.executable, "-P", "-m", module]


@contextlib.contextmanager
def piped(secrets: Mapping[str, str]) -> Iterator[tuple[dict[str, str], tuple[int, ...]]]:
    """Variables that name a pipe for each secret, and the descriptors to pass to the child that is started meanwhile.

    A pipe holds 64 kB without a reader; all our secrets are far smaller.
    """
    variables: dict[str, str] = {}
    with contextlib.ExitStack() as closing:
        descriptors = []
        for name, secret in secrets.items():
            out, into = os.pipe()
            closing.callback(os.close, out)
            with os.fdopen(into, "wb") as file:
                file.write(secret.encode())
            variables[name + FROM_FILE] = f"/dev/fd/{out}"
            descriptors.append(out)
        yield variables, tuple(descriptors)
