"""Who has a role by a token of an OpenID Connect provider: nobody whom the directory knows, so the answer says which tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from domain.authorization.caller import Caller
from domain.commands.identity_permissions import ASSUME_WITH_TOKEN, role_at, role_resource
from domain.identities.identity import Identity
from domain.identities.oidc_providers import HTTPS, OidcProvider
from domain.policy_analysis.who_could import MOST_PATHS, Path, could
from domain.state.callers import anyone_of
from domain.state.world import World

NAMING = frozenset({"stringequals", "stringequalsignorecase", "stringlike"})


def federated_into(world: World, role: Caller, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """For each provider whose tokens the role's trust policy admits: a row like the role's own, with the conditions on the
    token before those of the role."""
    held = role_at(role.context["aws:principalarn"][0], world)
    assert held is not None, "the role is of this world"
    for provider in sorted(world.directory.oidc.values(), key=lambda each: each.arn):
        if provider.account != held.account:
            continue
        found = could(anyone_of(provider), ASSUME_WITH_TOKEN, role_resource(held.arn, world))
        for way in found.paths:
            yield _row(
                provider, held, way, [{"by": each["by"], "open": list(each["open"])} for each in found.unless], row
            )


def _row(
    provider: OidcProvider, role: Identity, way: Path, unless: list[dict[str, Any]], row: dict[str, Any]
) -> dict[str, Any]:
    asked = [{name: each[name] for name in ("operator", "key", "wanted")} for each in way.open]
    paths = [path | {"open": [*asked, *path["open"]]} for path in row["paths"]][:MOST_PATHS]
    return {
        "principal": f"anyone of {HTTPS}{provider.name}{_subjects(provider, asked)}, as {role.arn}",
        "kind": "federated",
        "paths": paths,
        "unless": [*unless, *row["unless"]],
        "for_sure": not unless and not row["unless"] and not paths[0]["open"],
    }


def _subjects(provider: OidcProvider, asked: list[dict[str, Any]]) -> str:
    """ " with sub ..." where the trust policy names the token's subjects."""
    key = f"{provider.name.lower()}:sub"
    wanted = [
        value
        for each in asked
        if each["key"].lower() == key and each["operator"].lower() in NAMING
        for value in each["wanted"]
    ]
    return f" with sub {' or '.join(wanted)}" if wanted else ""
