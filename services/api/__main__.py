"""`python -m services.api`: one API worker, on a socket from the supervisor or on its own."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import cast

import uvicorn
import uvloop

from domain.log.record import Record
from domain.ports import LogRefused, reason_of
from domain.state.world import World
from services.adapters import snapshots, topics
from services.adapters.alert_publisher import Publisher
from services.adapters.attempts import Attempts
from services.adapters.decisions import DecisionLanes
from services.adapters.kafka import KafkaTopic, Producer
from services.adapters.master_key import MasterKeyRefused
from services.adapters.oidc_fetch import OidcFetch, PublicOnly
from services.adapters.postgres import UNREACHABLE
from services.adapters.sign_in_providers import load_providers
from services.adapters.tile_stores import tile_store
from services.adapters.tokens import Tokens
from services.adapters.topic_bounds import TopicBounds
from services.api import zero_metrics
from services.api.certificate import ServedCertificate
from services.api.door import Door, networks
from services.api.protocol import GuardedProtocol
from services.api.server import DeadlineServer
from services.audit_api.app import audit_app
from services.audit_api.context import context_of
from services.audit_api.readiness import wait_for_projections
from services.audit_api.resources.routes import ACTIONS, ROUTES
from services.clock import clock_of
from services.console.files import ConsoleFiles
from services.evidence.proofs import ProofMaker
from services.kms_api.anchors import Anchors
from services.kms_api.app import NONE_KNOWN, App
from services.kms_api.authentication import Authenticator
from services.kms_api.calls import Calls
from services.kms_api.live_state import LiveState
from services.kms_api.maker import VaultMaker
from services.kms_api.materials import HeldMaterials
from services.kms_api.mfa_codes import MfaCodes
from services.kms_api.passwords import Passwords
from services.kms_api.provider_keys import ProviderKeys
from services.kms_api.provider_sign_ins import ProviderSignIns
from services.kms_api.recall import ProjectedRecall
from services.kms_api.refused_attempts import RefusedAttempts
from services.kms_api.sign_ins import SignIns
from services.kms_api.token_door import TokenDoor
from services.kms_api.vault_watch import VaultWatch
from services.kms_api.web_identity import WebIdentities
from services.logs import configure, logger_of
from services.metrics import TALLY, VOIDS
from services.notary.served import PublishedTree
from services.notary.tree_keys import known_keys
from services.notary.witness_policy import load_policy
from services.outgoing_http import trusted_by
from services.questions.begun_decisions import whole_since
from services.runtime.bootstrap import open_pool, prepare
from services.runtime.collector_faults import end_telling, tell_of_collector
from services.runtime.listening_socket import listen
from services.runtime.memory import look_seldom_for_cycles
from services.runtime.metrics_endpoint import answer_metrics
from services.runtime.setting_names import warn_of_unknown
from services.settings import BadSetting, Settings, load
from services.traces.tracer import TRACES

CANNOT_START: tuple[type[BaseException], ...] = (LogRefused, MasterKeyRefused, BadSetting, *UNREACHABLE)

log = logger_of("api")

DRAIN = 10
OWN_FILES = 128
"""File descriptors for Kafka, Postgres, metrics and connections that are being refused."""
ONE_DEVICE = ONE_PASSWORD = (5, 60.0)
"""How many codes of one MFA device, or passwords of one user from one address, can be tried at once, and after how many
seconds once more. A right one gives all back."""
ONE_ADDRESS = (30, 2.0)
"""The same for passwords of all users together, from one address (for IPv6, from one site). A right one gives its attempt
back."""
CALL_PATIENCE = 5.0
"""How many seconds a call waits for the vault before its client has to try again."""


def _listening(settings: Settings) -> socket.socket:
    """The supervisor's socket, which all workers share, or a new one."""
    handed = os.environ.get("KEYTRAIL_LISTEN_FD")
    if handed is not None:
        return socket.socket(fileno=int(handed))
    return listen(settings)


def _door(settings: Settings) -> Door:
    """The door, with no more places than there are file descriptors."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most != resource.RLIM_INFINITY:
        # Nearly everywhere the soft limit is 1,024, for programs that use select(); this one does not.
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    places = settings.connections if most == resource.RLIM_INFINITY else min(settings.connections, most - OWN_FILES)
    return Door(places, settings.connections_per_address, networks(settings.trusted_proxies))


def forgetting(world: World, materials: HeldMaterials) -> Callable[[Record | None], None]:
    """What a worker does after each record that its world has taken in."""

    def on_record(record: Record | None) -> None:
        if record is None:
            VOIDS.labels("api").inc()
        else:
            materials.forget(world.removed)

    return on_record


async def serve(settings: Settings) -> None:
    """Follows the log and answers calls until it has to stop. Raises Unavailable, LogRefused, MasterKeyRefused, and
    whatever ended a task that has to run beside the calls."""
    names = topics.names(settings)
    listening = _listening(settings)
    certificate = ServedCertificate(Path(settings.tls_cert), Path(settings.tls_key)) if settings.tls else None
    await answer_metrics(settings, "api")
    async with AsyncExitStack() as closing:
        TRACES.begin(settings, "api")
        closing.push_async_callback(TRACES.end)
        pool = await open_pool(settings, size=8, patience=CALL_PATIENCE)
        closing.callback(pool.terminate)
        clock, watch = clock_of(settings), VaultWatch(pool)
        prepared = await prepare(settings, pool)
        tell_of_collector(settings, pool, "api")
        closing.push_async_callback(end_telling)
        vault, keys = prepared.vault, prepared.keys
        events, commands = KafkaTopic(settings, names.events), KafkaTopic(settings, names.commands)
        fold = await snapshots.restore(pool, events, keys)
        tokens = Tokens(keys, fold)
        materials = HeldMaterials(vault, tokens)
        live = LiveState(events, fold, keys, settings.fresh_for, forgetting(fold.world, materials))
        start = random.randrange(prepared.partitions)  # noqa: S311  # spreads load, no secret
        producers = partial(Producer, settings)
        decisions = DecisionLanes(producers, names.decisions, prepared.partitions, start, live.seal_of_decisions)
        bounds = TopicBounds(settings, names.decisions, names.alerts)
        for each in (events, commands, decisions, bounds):
            closing.push_async_callback(each.close)
        anchors = Anchors(live, decisions, commands, clock)
        await Attempts.prepare(pool)
        mfa = MfaCodes(live, vault, Attempts(pool, *ONE_DEVICE), clock)
        passwords = Passwords(live, vault, Attempts(pool, *ONE_PASSWORD))
        making = VaultMaker(vault, tokens, mfa, passwords)
        calls = Calls(
            settings,
            live,
            commands,
            decisions,
            making,
            materials,
            ProjectedRecall(pool, partial(whole_since, settings, bounds)),
            clock,
            mfa,
        )
        authenticator = Authenticator(live, vault, tokens, settings.region, clock)
        fetch = OidcFetch(PublicOnly(networks(settings.oidc_addresses)), trusted_by(settings.oidc_ca))
        closing.push_async_callback(fetch.close)
        refused_attempts = RefusedAttempts(calls.records)
        web = WebIdentities(live, ProviderKeys(fetch))
        publisher = Publisher(settings, keys)
        proofs = ProofMaker(
            settings, pool, keys, tile_store(settings), partial(known_keys, vault), load_policy(settings)
        )
        closing.push_async_callback(publisher.close)
        closing.push_async_callback(proofs.close)
        audit = context_of(
            settings,
            live,
            pool,
            clock,
            publisher,
            making,
            calls,
            decisions,
            bounds,
            SignIns(live, passwords, tokens, Attempts(pool, *ONE_PASSWORD), Attempts(pool, *ONE_ADDRESS)),
            refused_attempts,
            mfa,
            ProviderSignIns(load_providers(settings), fetch, web, tokens, clock),
            proofs,
            ACTIONS,
            lambda: server.should_exit,
        )
        console = ConsoleFiles() if settings.has_console else None
        door_of_tokens = TokenDoor(web, authenticator, refused_attempts, clock)
        tree = PublishedTree(tile_store(settings)) if settings.serves_tree else None
        routes = audit_app(ROUTES, audit, authenticator)
        app = App(live, authenticator, calls, routes, clock, watch, door_of_tokens, console, tree)
        door = _door(settings)
        config = uvicorn.Config(
            app,
            http=cast("type[asyncio.Protocol]", partial(GuardedProtocol, app.call, door)),
            loop="uvloop",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=DRAIN,
        )
        zero_metrics.exist(NONE_KNOWN, settings)
        server = DeadlineServer(config, door, certificate)
        tasks = [
            asyncio.create_task(live.follow()),
            asyncio.create_task(live.keep_asking()),
            asyncio.create_task(TALLY.keep_flushing()),
            asyncio.create_task(watch.keep_asking()),
            asyncio.create_task(anchors.keep_anchoring()),
            asyncio.create_task(refused_attempts.keep_recording()),
            asyncio.create_task(Attempts.keep_removing(pool)),
            *([asyncio.create_task(certificate.keep_reading())] if certificate is not None else []),
        ]
        for task in tasks:
            task.add_done_callback(lambda _: setattr(server, "should_exit", True))
        look_seldom_for_cycles()
        try:
            await asyncio.gather(live.begun(settings.root_access_key_id), wait_for_projections(pool))
            await server.serve(sockets=[listening])
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            await refused_attempts.record()
            await anchors.anchor()  # for the last calls that were answered
            TALLY.flush()
        for fault in ended:
            # None of these tasks ends by itself; without one of them, calls would be refused for ever.
            if isinstance(fault, Exception):
                raise fault


def main() -> int:
    configure()
    warn_of_unknown(log, os.environ)
    settings = load()
    try:
        uvloop.run(serve(settings))
    except CANNOT_START as fault:
        log.error("api cannot start", reason=reason_of(fault))
        return 75
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
