"""Signing in with a user name and a password, and a code of an MFA device if the user has one.

The password is compared before this file (`app.py`, `sign_ins.py`). What the user has to send besides is asked for one
after the other; the client sends everything again each time, so nothing is kept here between two requests. A new password
is asked for before the code: a code is good once.

Source: IAM user guide, id_credentials_passwords and id_credentials_mfa; CloudTrail user guide,
cloudtrail-event-reference-aws-console-sign-in-events (ConsoleLogin, CheckMfa).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

from domain.authorization.audience import Told
from domain.commands.login_profiles import must_change
from domain.commands.mfa_devices import USE_CODE, WRONG_CODE
from domain.errors import PasswordPolicyViolation, Refusal, SignInRefused, refusal
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
from services.operations.rows import Preparation

CHECK_MFA, CHECK_NEW_PASSWORD = "CheckMfa", "CheckNewPassword"
"""Names of operations, as they are on record."""
EXPECTED = 'the body must be {"account": "...", "user": "...", "password": "..."}'
NEEDS_CODE = "This user has an MFA device: send a code of it, too."
NEEDS_PASSWORD = "You have to choose a new password to sign in: send one, too."  # noqa: S105  # a message
EXPIRED = "Your password has expired. Ask an administrator of your account for a new one."


async def sign_in(audit: AuditContext, request: AuditRequest) -> Told:
    """Raises WireError; every refusal is on record."""
    tried, body = request.password, document_in(request.body, EXPECTED)
    assert tried is not None, "the door compared it"
    code, new_password = text_in(body, "code", EXPECTED), text_in(body, "new_password", EXPECTED)
    try:
        return await _signed_in(audit, request, code, new_password, seconds_in(body))
    except (NotFresh, Unavailable):
        raise no_answer.not_fresh() from None
    except Refusal as fault:
        try:
            await audit.records.refuse(request, LOGIN, fault)
        except WireError as wire:
            if isinstance(fault, PasswordPolicyViolation):  # KMS, whose codes `refuse` knows, has none for it
                wire.status, wire.code = 400, "PasswordPolicyViolation"
            raise


async def _signed_in(audit: AuditContext, request: AuditRequest, code: str, new_password: str, seconds: int) -> Told:
    """Raises WireError, Refusal, NotFresh, Unavailable."""
    tried, world, now = request.password, audit.live.world, audit.clock.now()
    assert tried is not None, "the door compared it"
    user, login = tried.right_user, tried.login
    policy = world.accounts[user.account].password_policy
    made: Preparation = {}
    if must_change(login, policy, now) or new_password:
        if policy is not None and policy.hard_expiry and policy.has_expired(login.changed, now):
            raise SignInRefused(EXPIRED)
        if not new_password:
            await _ask(audit, request, CHECK_NEW_PASSWORD, "NewPasswordRequired", NEEDS_PASSWORD)
        made = await audit.sign_ins.passwords.replaced(user, new_password)
        if "fault" in made:
            raise refusal(made["fault"], made["message"])
    devices = world.directory.mfa.of(user.id)
    if devices:
        if not code:
            await _ask(audit, request, CHECK_MFA, "MfaCodeRequired", NEEDS_CODE)
        await _use(audit, request, devices, code)
    seen = tried.seen
    if made:
        seen = await audit.records.change(part_of(request), "ChangePassword", {}, made)
        request = _renewed(audit, request, seen)
    session = password_session(request.caller, audit.clock.now(), seconds, seen, with_code=bool(devices))
    answer = await credentials_of(audit, request, LOGIN, session)
    await audit.records.carried_out(request, LOGIN, {"MFAUsed": bool(devices), "Seconds": seconds})
    return request.audience.own(request.account, answer)


async def _ask(audit: AuditContext, request: AuditRequest, operation: str, code: str, message: str) -> None:
    """Asks for what is missing. The password was right: that is on record, as a step. Raises WireError."""
    await audit.records.carried_out(request, operation, {})
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


def _renewed(audit: AuditContext, request: AuditRequest, seen: int) -> AuditRequest:
    """The request of the user with the new password. Raises CredentialDisabled if that was replaced in the same moment."""
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
