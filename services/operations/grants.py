"""CreateGrant, ListGrants, ListRetirableGrants, RetireGrant, RevokeGrant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import nsmallest

from domain.arn import PARTITION, account_in, parse_arn, root_arn
from domain.authorization.context import Parameters
from domain.authorization.evaluate import may
from domain.authorization.question import in_account
from domain.authorization.verdict import Verdict
from domain.commands.grants import CreateGrant, RetireGrant, RevokeGrant
from domain.errors import InvalidArn, InvalidRequest
from domain.grants.grant import EQUALS, Grant
from domain.keys.key import Key
from domain.state.principals import arn_now, canonical, meaning
from domain.state.world import World
from services.operations.keys import page
from services.operations.markers import after_marker
from services.operations.rows import Answer, Issuer, Maker, Materials, Preparation, RecordedChange, Request

USUAL = 50
MOST = 100
SERVICE = "Service:"


async def prepare(request: Request, maker: Maker) -> Preparation:
    return maker.grant_id()


async def prepare_to_retire(request: Request, maker: Maker) -> Preparation:
    """Raises InvalidGrantToken, InvalidRequest."""
    if "GrantToken" in request.parameters:
        if "KeyId" in request.parameters or "GrantId" in request.parameters:
            raise InvalidRequest("Give either a grant token, or a grant id and its key.")
        return maker.granted(request["GrantToken"])
    if "KeyId" not in request.parameters or "GrantId" not in request.parameters:
        raise InvalidRequest("RetireGrant takes a grant token, or both a grant id and the ARN of its key.")
    return {"key": request["KeyId"], "grant": request["GrantId"]}


def _service(parameters: Parameters, name: str) -> str:
    return SERVICE + parameters[name] if name in parameters else ""


def create_grant(parameters: Parameters, made: Preparation) -> CreateGrant:
    return CreateGrant(
        key=parameters["KeyId"],
        grant=made["grant"],
        name=parameters.get("Name", ""),
        grantees=(parameters.get("GranteePrincipal", ""), _service(parameters, "GranteeServicePrincipal")),
        retirings=(parameters.get("RetiringPrincipal", ""), _service(parameters, "RetiringServicePrincipal")),
        operations=parameters["Operations"],
        # A subset of no pairs is in every encryption context, so it constrains nothing. Equality with no pairs allows
        # only an empty context (API reference, GrantConstraints).
        constraints={
            name: value for name, value in parameters.get("Constraints", {}).items() if value or name == EQUALS
        },
        dry_run=parameters.get("DryRun", False),
    )


def granted(changed: RecordedChange) -> Answer:
    return {"GrantId": changed.event.grant}


async def issue(changed: RecordedChange, issuer: Issuer) -> Answer:
    event = changed.event
    return {"GrantToken": issuer.grant_token(event.key, event.grant, changed.position)}


def retire_grant(parameters: Parameters, made: Preparation) -> RetireGrant:
    return RetireGrant(made["key"], made["grant"], parameters.get("DryRun", False))


def revoke_grant(parameters: Parameters, made: Preparation) -> RevokeGrant:
    return RevokeGrant(parameters["KeyId"], parameters["GrantId"], parameters.get("DryRun", False))


def _principal(shown: str, means: str, world: World, account: str) -> tuple[str, str]:
    """The member's prefix and value. A deleted principal of the caller's account shows as its unique id, and a renamed
    one under its present name. Principals of other accounts show as they were given."""
    if shown.startswith(SERVICE):
        return "ServicePrincipal", shown.removeprefix(SERVICE)
    if means == shown or account_in(shown) != account:
        return "Principal", shown
    return "Principal", arn_now(means, world) or means


def entry(grant: Grant, world: World, account: str) -> Answer:
    """GrantListEntry, as one account may see it."""
    kind, grantee = _principal(grant.grantee_shown, grant.grantee, world, account)
    result: Answer = {
        "KeyId": world.keys[grant.key].arn,
        "GrantId": grant.id,
        "CreationDate": grant.created / 1_000_000,
        f"Grantee{kind}": grantee,
        "IssuingAccount": root_arn(grant.issued_by),
        "Operations": sorted(operation.removeprefix("kms:") for operation in grant.operations),
    }
    if grant.retiring:
        kind, retiring = _principal(grant.retiring_shown, grant.retiring, world, account)
        result[f"Retiring{kind}"] = retiring
    if grant.name:
        result["Name"] = grant.name
    if grant.constraints:
        result["Constraints"] = grant.constraints
    return result


def _page(grants: Iterable[Grant], request: Request, world: World) -> Answer:
    after, limit = after_marker(request), min(request.get("Limit", USUAL), MOST)
    rest = (grant for grant in grants if grant.id > after)
    found = nsmallest(limit + 1, rest, key=lambda grant: grant.id)
    items = [entry(grant, world, request.caller.account) for grant in found[:limit]]
    return page(request, "Grants", items, found[limit - 1].id if len(found) > limit else None)


async def list_grants(request: Request, world: World, found: Sequence[Key], materials: Materials) -> Answer:
    if "GranteeServicePrincipal" in request.parameters:
        raise InvalidRequest("The GranteeServicePrincipal filter is only usable by callers in a service principal.")
    grants = list(world.grants.get(found[0].id, {}).values())
    if "GrantId" in request.parameters:
        grants = [grant for grant in grants if grant.id == request["GrantId"]]
    if "GranteePrincipal" in request.parameters:
        wanted = canonical(request["GranteePrincipal"])
        arn, account = parse_arn(wanted), request.caller.account
        if arn is not None and arn.partition != PARTITION:
            raise _no_principal(wanted)
        shown = ((grant, _principal(grant.grantee_shown, grant.grantee, world, account)) for grant in grants)
        grants = [grant for grant, grantee in shown if grantee == ("Principal", wanted)]
    return _page(grants, request, world)


def _no_principal(named: str) -> InvalidArn:
    return InvalidArn(f"ARN does not refer to a valid principal: {named}")


def _retiring(request: Request) -> str:
    """Raises InvalidRequest, InvalidArn."""
    if "RetiringServicePrincipal" in request.parameters or "RetiringPrincipal" not in request.parameters:
        raise InvalidRequest("ListRetirableGrants takes a RetiringPrincipal; service principals list their own.")
    principal = canonical(request["RetiringPrincipal"])
    arn = parse_arn(principal)
    if arn is None or arn.partition != PARTITION:
        raise _no_principal(principal)
    return principal


def access_to_list_retirable(request: Request, world: World) -> Sequence[Verdict]:
    """The permission is on no key (#operations-on-no-key), and asked in the caller's own account. A retiring principal of another
    account is refused as a resource of that account (API reference, ListRetirableGrants)."""
    principal, own = _retiring(request), request.caller.account
    arn = parse_arn(principal)
    account = arn.account if arn is not None else ""
    return (may(request.caller, "kms:ListRetirableGrants", in_account("*" if account == own else principal, account)),)


def list_retirable(request: Request, world: World) -> Answer:
    principal = _retiring(request)
    means = meaning(principal, world, request.caller.account)
    found = world.retirable_by(means or "")
    if means != principal:  # earlier versions made grants to a role's session by the session's name only
        found = {**world.retirable_by(principal), **found}
    return _page(found.values(), request, world)
