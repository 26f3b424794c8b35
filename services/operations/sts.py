"""GetCallerIdentity, AssumeRole, AssumeRoleWithWebIdentity, GetSessionToken.

Source: STS API reference of these; IAM user guide, id_credentials_temp and id_session-tags. A trust policy is the
role's own policy and decides as a key policy does. In the role's account, naming the caller is enough. If it names the
account, or the caller is of another account, an identity policy has to allow too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domain.arn import session_arn
from domain.authorization.evaluate import may
from domain.authorization.question import in_account
from domain.authorization.verdict import NO_PERMISSION_NEEDED, Verdict
from domain.commands.identity_permissions import role_at, role_resource, with_web_identity
from domain.durations import SECOND_MICROS
from domain.errors import AccessRefused, InvalidInput, InvalidRequest
from domain.identities import limits
from domain.identities.holders import attachable, require_of_account
from domain.identities.identity import PREFIXES, ROLE, Identity
from domain.identities.oidc_providers import HTTPS, OIDC
from domain.policy.check import check_policy
from domain.policy.parse import SESSION
from domain.state.callers import Session, audience_of, is_known, known_as
from domain.state.console_sessions import passed_on
from domain.state.world import World
from services.operations.rows import Answer, Issuer, Request

CHAINED = 3600
"""How many seconds a session can last that was made by a role's session (API reference, AssumeRole, role chaining)."""
MOST_ARNS = 10
"""The most managed session policies (API reference, AssumeRole, PolicyArns)."""
USUAL_SESSION = 3600
USUAL_TOKEN = 43_200
ROOT_TOKEN = 3600


def no_access_check(request: Request, world: World) -> Sequence[Verdict]:
    return (Verdict(True, f"sts:{request.operation}", request.caller.principal, NO_PERMISSION_NEEDED),)


def get_caller_identity(request: Request, world: World) -> Answer:
    caller = request.caller
    return {"UserId": caller.unique, "Account": caller.account, "Arn": caller.principal}


def access_to_key_info(request: Request, world: World) -> Sequence[Verdict]:
    account = request.caller.account
    return (may(request.caller, "sts:GetAccessKeyInfo", in_account("*", account)),)


def get_access_key_info(request: Request, world: World) -> Answer:
    """The account of one of the caller's own access keys. AWS answers for any key. Here no account learns anything
    about another. So another account's key is refused like a key that does not exist.

    Raises InvalidRequest.

    """
    access_key, account = request["AccessKeyId"], request.caller.account
    if not is_known(world, access_key) or known_as(world, access_key, None)[0] != account:
        raise InvalidRequest(f"The access key {access_key} is not of this account.")
    return {"Account": account}


def access_to_assume(request: Request, world: World) -> Sequence[Verdict]:
    """AssumeRole; TagSession if the call passes tags; SetSourceIdentity if it sets a source identity or passes on the
    one of its own session (IAM user guide, id_credentials_temp_control-access_monitor: role chaining requires it too).

    Raises AccessRefused.

    """
    if request.caller.is_root:
        raise AccessRefused("Roles may not be assumed by root accounts.")
    resource = role_resource(request["RoleArn"], world)
    actions = ["sts:AssumeRole"]
    if request.get("Tags") or _inherited(request):
        actions.append("sts:TagSession")
    source = _source_identity(request)
    if source or "SourceIdentity" in request.parameters:
        actions.append("sts:SetSourceIdentity")
    # The call also sets a source identity that the session passes on, so policies read it like the parameter.
    asked = {"sts:sourceidentity": (source,)} if source and "SourceIdentity" not in request.parameters else None
    return tuple(may(request.caller, action, resource, asked) for action in actions)


def _source_identity(request: Request) -> str:
    """The source identity of the caller's own session, "" if it has none."""
    return request.session.source_identity if request.session is not None else ""


def _inherited(request: Request) -> dict[str, str]:
    """The tags that the caller's own session passes on."""
    session = request.session
    if session is None:
        return {}
    return {key: value for key, value in session.tags.items() if key in session.transitive}


def _session_tags(request: Request) -> Mapping[str, str]:
    inherited = _inherited(request)
    try:
        given = limits.tags_of(request.get("Tags", []), {})
    except InvalidInput as fault:  # IAM has this error; STS does not
        raise InvalidRequest(fault.message) from None
    twice = {key.lower() for key in inherited} & {key.lower() for key in given}
    if twice:
        raise InvalidRequest(
            f"One of the specified transitive tag keys can't be set because it is inherited: {twice.pop()}"
        )
    return inherited | given


def _seconds(request: Request, role: Identity) -> int:
    seconds = int(request.get("DurationSeconds", USUAL_SESSION))
    assert role.role is not None, "a role has its parts"
    if seconds > role.role.max_session:
        raise InvalidRequest("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    session = request.session  # a session of GetSessionToken is the user's own, so this is no role chaining
    if session is not None and session.of.startswith(PREFIXES[ROLE]) and seconds > CHAINED:
        raise InvalidRequest(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        )
    return seconds


def _require_session_policies(policy: str, arns: Sequence[str]) -> None:
    """Raises MalformedPolicy, and InvalidRequest if they are too long or too many (STS has no LimitExceeded)."""
    for name, count, most in (("policy", len(policy), SESSION.most), ("policyArns", len(arns), MOST_ARNS)):
        if count > most:
            raise InvalidRequest(
                f"1 validation error detected: Value at '{name}' failed to satisfy constraint: Member must have length "
                f"less than or equal to {most}"
            )
    if policy:
        check_policy(policy, SESSION)


def access_with_web_identity(request: Request, world: World) -> Sequence[Verdict]:
    """The sender of a provider's token: the role's trust policy alone decides. Raises AccessRefused for anybody else."""
    if request.session is None or not request.session.of.startswith("arn:"):
        raise AccessRefused(
            "AssumeRoleWithWebIdentity takes a token of an OpenID Connect provider in the place of a signature."
        )
    return (with_web_identity(request.caller, request["RoleArn"], world),)


def assume_role_with_web_identity(request: Request, world: World, issuer: Issuer) -> Answer:
    """Raises InvalidRequest, MalformedPolicy, NoSuchEntity, PackedPolicyTooLarge."""
    role, policy, arns = _asked_role(request, world)
    own = request.session
    assert own is not None, "the sender of a token has a session"
    name, seconds = request["RoleSessionName"], _seconds(request, role)
    session = Session(
        of=role.id,
        arn=session_arn(role.account, role.name, name),
        account=role.account,
        name=name,
        issued=request.at,
        expires=request.at + seconds * SECOND_MICROS,
        policy=policy,
        policy_arns=arns,
        federated=own.federated,
    )
    answer: Answer = {
        "Credentials": issuer.credentials(session),
        "SubjectFromWebIdentityToken": own.name,
        "AssumedRoleUser": {"AssumedRoleId": f"{role.id}:{name}", "Arn": session.arn},
        "Provider": f"{HTTPS}{own.of.partition(f'{OIDC}/')[2]}",
        "Audience": audience_of(own),
    }
    if policy or arns:
        answer["PackedPolicySize"] = _packed(policy, arns, {})
    return answer


def _asked_role(request: Request, world: World) -> tuple[Identity, str, tuple[str, ...]]:
    """The role, and the session's own policies. Raises InvalidRequest, MalformedPolicy, NoSuchEntity."""
    role = role_at(request["RoleArn"], world)
    assert role is not None, "nobody may assume a role that is not there"
    policy, arns = request.get("Policy", ""), tuple(each["arn"] for each in request.get("PolicyArns", []))
    _require_session_policies(policy, arns)
    for arn in arns:
        # A session's policies stand beside its decisions, for the role's account to read: no other account's may be there.
        require_of_account(arn, role.account)
    for arn in arns if role.account == request.caller.account else ():
        # To a caller of another account, a missing policy gives nothing, just like one that is deleted later. A refusal
        # would reveal which policies the role's account has.
        attachable(world.directory, arn, role.account)
    return role, policy, arns


def assume_role(request: Request, world: World, issuer: Issuer) -> Answer:
    """Raises InvalidRequest, MalformedPolicy, NoSuchEntity, LimitExceeded, AccessRefused, PackedPolicyTooLarge."""
    role, policy, arns = _asked_role(request, world)
    seconds, tags = _seconds(request, role), _session_tags(request)
    transitive = set(request.get("TransitiveTagKeys", [])) | set(_inherited(request))
    if not transitive <= set(tags):
        raise InvalidRequest("The specified transitive tag key must be included in the requested tags.")
    name = request["RoleSessionName"]
    source = request.get("SourceIdentity", _source_identity(request))
    if _source_identity(request) not in ("", source):
        raise AccessRefused(
            "The source identity of a session cannot be changed: it persists when a role assumes another."
        )
    own = request.session
    console = None if own is None else passed_on(own, request.access_key, world.level)
    expires = request.at + seconds * SECOND_MICROS
    session = Session(
        of=role.id,
        arn=session_arn(role.account, role.name, name),
        account=role.account,
        name=name,
        issued=request.at,
        # A role that a console session assumes ends with it (IAM user guide, id_roles_use_switch-role-console).
        expires=expires if own is None or console is None else min(expires, own.expires),
        policy=policy,
        policy_arns=arns,
        tags=tags,
        transitive=tuple(sorted(transitive)),
        source_identity=source,
        console=console,
    )
    answer: Answer = {
        "Credentials": issuer.credentials(session),
        "AssumedRoleUser": {"AssumedRoleId": f"{role.id}:{name}", "Arn": session.arn},
    }
    if policy or arns or tags:
        answer["PackedPolicySize"] = _packed(policy, arns, tags)
    if session.source_identity:
        answer["SourceIdentity"] = session.source_identity
    return answer


def _packed(policy: str, arns: Sequence[str], tags: Mapping[str, str]) -> int:
    """In percent."""
    of_tags = sum(len(key) + len(value) for key, value in tags.items())
    return min(100, (len(policy) + sum(map(len, arns)) + of_tags) * 100 // 4096)


def get_session_token(request: Request, world: World, issuer: Issuer) -> Answer:
    """Raises AccessRefused (for a call with temporary credentials), InvalidRequest."""
    caller = request.caller
    if request.session is not None:
        raise AccessRefused("Cannot call GetSessionToken with session credentials")
    seconds = int(request.get("DurationSeconds", ROOT_TOKEN if caller.is_root else USUAL_TOKEN))
    if caller.is_root:
        seconds = min(seconds, ROOT_TOKEN)
    session = Session(
        of=caller.unique,
        arn=caller.principal,
        account=caller.account,
        name="",
        issued=request.at,
        expires=request.at + seconds * SECOND_MICROS,
        mfa=request.at if request.mfa else 0,
        root_key=request.access_key if caller.is_root else "",
    )
    return {"Credentials": issuer.credentials(session)}
