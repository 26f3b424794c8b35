"""`python -m services.supervisor.start_steps STEP [ARGUMENT ...]`: one step of a start (start_step.py), under the settings of
the environment. It writes JSON objects to standard output, one on each line: its progress, and at last its answer or why
there is none.

A step imports what it needs itself: the first one would spend three times as much on clients and alert rules.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil

from domain.ports import LogRefused, Unavailable, reason_of
from services.adapters.bundled.ports import listening
from services.inherited import FROM_FILE
from services.logs import configure
from services.ownership import NotOurs
from services.settings import BadSetting, Settings, load
from services.supervisor.start_step import CONTROLLER_PASSWORD, NOTHING_WANTED

SERVERS_DEADLINE = 30.0
"""Seconds for servers that others run. How long to wait for a bundled one is up to whoever sees it work (patience.py)."""
LOOK_EVERY = 0.05


class CannotBeDone(Exception):
    """The message says why a step has no answer."""


async def read_files(settings: Settings) -> dict[str, bool]:
    """Read the files that settings name, so that a fault in them is reported before anything starts. A start takes this step only
    where one of the settings READ_FIRST is set (start_step.py)."""
    if settings.services_file:
        from services.adapters import services_file

        services_file.load(settings)
    if settings.sign_in_providers_file:
        from services.adapters.sign_in_providers import load_providers

        load_providers(settings)
    if settings.kafka_ca or settings.kafka_cert or settings.postgres_ca or settings.oidc_ca:
        from services.tls_files import require_usable

        require_usable(settings)
    if settings.witness_policy_file:
        from services.notary.witness_policy import load_policy

        load_policy(settings)
    if settings.traces_endpoint:
        from services.traces.tracer import sender_of

        sender_of(settings)
    found = dict(NOTHING_WANTED)
    if settings.alerts_file:
        from services.adapters import alerts_file

        found["notifiers"] = bool(alerts_file.load(settings).notifiers)
    if settings.audit_devices_file:
        from services.audit_devices import devices_file

        found["audit_devices"] = bool(devices_file.load(settings))
    return found


async def fetch_jars(settings: Settings) -> None:
    from services.adapters.bundled import jars

    try:
        jars.class_path(jars.CACHE, lambda done, count: _write({"done": done, "of": count}))
    except jars.DownloadFailed as fault:
        raise CannotBeDone(str(fault)) from fault


async def let_in(settings: Settings, pid: str, port: str, controller: str) -> bool:
    """Send the bundled broker our password. False if the broker ended meanwhile.

    It is sent only to our own broker, not to a process that took its ports first, since the message holds the password. The
    broker listens a moment before it accepts it.
    """
    from services.adapters import scram

    password = _controller_password()
    while psutil.pid_exists(int(pid)):
        if {int(port), int(controller)} <= listening(int(pid)):
            with contextlib.suppress(Unavailable):
                await scram.tell(int(controller), password, settings.kafka_password)
                return True
        await asyncio.sleep(LOOK_EVERY)
    return False


async def prepare(settings: Settings, *broker: str) -> bool:
    """Prepare topics, vault and master key, once the servers answer. `broker` are the arguments of `let_in` for a bundled
    broker."""
    from services.adapters.master_key import MasterKeyRefused
    from services.adapters.postgres import UNREACHABLE
    from services.runtime import bootstrap

    if broker and not await let_in(settings, *broker):
        return False
    faults: tuple[type[BaseException], ...] = (MasterKeyRefused, *UNREACHABLE)
    began = postgres_answered = time.monotonic()
    while not broker or psutil.pid_exists(int(broker[0])):
        try:
            pool = await bootstrap.open_pool(settings)
            postgres_answered = time.monotonic()
            try:
                await bootstrap.prepare(settings, pool, make_master_key=True)
            finally:
                await pool.close()
            return True
        except Unavailable as fault:
            # A bundled broker is waited for as long as it is at work; Postgres was ready before it, or others run it.
            if time.monotonic() > SERVERS_DEADLINE + (postgres_answered if broker else began):
                raise
            _write({"waits": str(fault)})
        except faults as fault:
            raise CannotBeDone(reason_of(fault)) from fault
        await asyncio.sleep(0.2)
    return False


STEPS: dict[str, Callable[..., Awaitable[Any]]] = {
    "read-files": read_files,
    "fetch-jars": fetch_jars,
    "let-in": let_in,
    "prepare": prepare,
}


def _controller_password() -> str:
    return Path(os.environ[CONTROLLER_PASSWORD + FROM_FILE]).read_text()


def _write(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201  # to the supervisor


async def _run(step: str, *arguments: str) -> None:
    try:
        _write({"answer": await STEPS[step](load(), *arguments)})
    except (BadSetting, NotOurs, LogRefused, Unavailable, CannotBeDone) as fault:
        _write({"refused": str(fault)})


def main() -> None:
    configure()
    asyncio.run(_run(*sys.argv[1:]))


if __name__ == "__main__":
    main()
