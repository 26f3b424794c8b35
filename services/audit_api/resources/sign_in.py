"""Signing in with a user name and a password, and a code of an MFA device if the user has one.

The password is compared before this file (`services/audit_api/doors.py`). What the user has to send besides is asked for one
after the other; the client sends everything again each time, so nothing is kept here between two requests. A new password
is asked for before the code: a code is good once.

Source: IAM user guide, id_credentials_passwords and id_credentials_mfa; CloudTrail user guide,
cloudtrail-event-reference-aws-console-sign-in-events (ConsoleLogin, CheckMfa).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

from domain.authorization.audience import Told
from domain.commands.login_profiles import must_change
from domain.commands.mfa_devices import USE_CODE, WRONG_CODE
from domain.errors import PasswordPolicyViolation, Refusal, SignInRefused, refusal
from domain.identities.identity import Identity
from domain.identities.mfa_devices import MfaDevice
from domain.ports import Unavailable
from domain.state.callers import caller_of
from domain.state.console_sessions import LOGIN, password_session, starting_session
from services.audit_api.bodies import document_in, text_in
from services.audit_api.context import AuditContext
from services.audit_api.request import AuditRequest, OnRecord
from services.audit_api.resources.console import SECONDS, SIGNED_IN, credentials_of, seconds_in
from services.audit_api.route import ByPassword, Parameter, RouteRow
from services.audit_api.schemas import WORD, JsonSchema
from services.kms_api import no_answer
from services.kms_api.errors import WireError
from services.kms_api.live_state import NotFresh

CHECK_MFA, CHECK_NEW_PASSWORD = "CheckMfa", "CheckNewPassword"
"""Names of operations, as they are on record."""
EXPECTED = 'the body must be {"account": "...", "user": "...", "password": "..."}'
NEEDS_CODE = "This user has an MFA device: send a code of it, too."
NEEDS_PASSWORD = "You have to choose a new password to sign in: send one, too."  # noqa: S105  # a message
SAME = "The new password must differ from the present one."
EXPIRED = "Your password has expired. Ask an administrator of your account for a new one."


async def sign_in(audit: AuditContext, request: AuditRequest) -> Told:
    """Raises WireError; every refusal is on record."""
    tried, body = request.password, document_in(request.body, EXPECTED)
    assert tried is not None, "the door compared it"
    given = GivenBesides(*(text_in(body, name, EXPECTED) for name in ("password", "code", "new_password")))
    try:
        return await _signed_in(audit, request, given, seconds_in(body))
    except (NotFresh, Unavailable):
        raise no_answer.not_fresh() from None
    except Refusal as fault:
        try:
            await audit.records.refuse(request, LOGIN, fault)
        except WireError as wire:
            if isinstance(fault, PasswordPolicyViolation):  # KMS, whose codes `refuse` knows, has none for it
                wire.status, wire.code = 400, "PasswordPolicyViolation"
            raise


@dataclass(frozen=True, slots=True)
class GivenBesides:
    """The secrets of a sign-in. `code` and `new_password` are "" if the client sent none."""

    password: str
    code: str
    new_password: str


async def _signed_in(audit: AuditContext, request: AuditRequest, given: GivenBesides, seconds: int) -> Told:
    """Raises WireError, Refusal, NotFresh, Unavailable."""
    tried = request.password
    assert tried is not None, "the door compared it"
    user, seen = tried.right_user, tried.seen
    changes = await _changes_password(audit, request, user, given)
    devices = audit.live.world.directory.mfa.of(user.id)
    if devices:
        if not given.code:
            await _ask(audit, request, CHECK_MFA, "MfaCodeRequired", NEEDS_CODE)
        await _use(audit, request, devices, given.code)
    if changes:  # whoever has the password and no code leaves nothing in the vault
        made = await audit.sign_ins.passwords.stored(user, given.new_password)
        seen = await audit.records.change(part_of(request), "ChangePassword", {}, made)
    request = _still(audit, request, seen)
    session = password_session(request.caller, audit.clock.now(), seconds, seen, with_code=bool(devices))
    answer = await credentials_of(audit, request, LOGIN, session)
    await audit.records.carried_out(request, LOGIN, {"MFAUsed": bool(devices), "Seconds": seconds})
    return request.audience.own(request.account, answer)


async def _changes_password(audit: AuditContext, request: AuditRequest, user: Identity, given: GivenBesides) -> bool:
    """Whether the password is to be replaced, by one that may take its place. Raises SignInRefused, PasswordPolicyViolation,
    WireError, Throttled, Unavailable."""
    login, now = user.login, audit.clock.now()
    assert login is not None, "the password was right"
    policy = audit.live.world.accounts[user.account].password_policy
    if not must_change(login, policy, now) and not given.new_password:
        return False
    if policy is not None and policy.hard_expiry and policy.has_expired(login.changed, now):
        raise SignInRefused(EXPIRED)
    if not given.new_password:
        await _ask(audit, request, CHECK_NEW_PASSWORD, "NewPasswordRequired", NEEDS_PASSWORD)
    if given.new_password == given.password:
        raise PasswordPolicyViolation(SAME)
    address = request.http.client.host if request.http.client else ""
    fault = await audit.sign_ins.fault_of_new(user, given.new_password, address)
    if fault:
        raise refusal(fault["fault"], fault["message"])
    return True


async def _ask(audit: AuditContext, request: AuditRequest, operation: str, code: str, message: str) -> None:
    """Asks for what is missing. The password was right: that is on record, as a step. Raises WireError, CredentialDisabled."""
    assert request.password is not None, "the door compared it"
    await audit.records.carried_out(_still(audit, request, request.password.seen), operation, {})
    raise WireError(403, code, message, recorded=True)


async def _use(audit: AuditContext, request: AuditRequest, devices: Sequence[MfaDevice], code: str) -> None:
    """Uses up a code of one of the user's devices. Raises SignInRefused, Throttled, WireError, NotFresh, Unavailable."""
    for device in devices:
        step = await audit.mfa.step_of(device, code)
        if step is None or step <= device.used:
            continue
        try:
            await audit.records.change(part_of(request), USE_CODE, {"SerialNumber": device.arn}, {"step": str(step)})
        except WireError as fault:
            if fault.status >= 500:
                raise
            break  # another request used the code in the same moment
        await audit.mfa.right(device.arn)
        return
    raise SignInRefused(WRONG_CODE)


def part_of(request: AuditRequest) -> AuditRequest:
    """The request as the cause of a record of its own."""
    return replace(request, id=str(uuid4()), record=OnRecord())


def _still(audit: AuditContext, request: AuditRequest, seen: int) -> AuditRequest:
    """The request of the user with the password of the position `seen`. Raises CredentialDisabled if that was replaced
    meanwhile, or the user deleted."""
    assert request.password is not None, "the door compared it"
    now = audit.clock.now()
    session = starting_session(request.password.right_user, now, seen)
    caller = caller_of(audit.live.world, "", session, now).asking(request.caller.request, {})
    who = replace(request.who, session=session, document=session.document(), caller=caller)
    return replace(request, who=who, caller=caller)


_SECRET: JsonSchema = WORD | {"maxLength": 128}
SIGN_IN = RouteRow(
    "POST",
    "/v1/console/sign-ins",
    "sign_in",
    ByPassword(sign_in),
    "Exchange a user's name and password, and a code of an MFA device if the user has one, for a console session",
    tag="console",
    body=(
        Parameter("account", "the account's id or alias", WORD | {"maxLength": 63}, required=True),
        Parameter("user", "the user's name", WORD | {"maxLength": 64}, required=True),
        Parameter("password", "taken over TLS alone, or from the machine itself", _SECRET, required=True),
        Parameter("code", "six digits; needed after the answer MfaCodeRequired", WORD | {"maxLength": 6}),
        Parameter("new_password", "needed after the answer NewPasswordRequired", _SECRET),
        SECONDS,
    ),
    answer=SIGNED_IN,
)

ROUTES = (SIGN_IN,)
