"""A call of STS that comes with a code of the caller's MFA device: the code is checked, and used up on the log.

The code is used before the call is decided, whatever the decision: a code that a caller has sent is good for nothing
else. Both are on record, the use as an event and the call as a decision.

Source: STS API reference, GetSessionToken and AssumeRole (SerialNumber, TokenCode); IAM user guide,
id_credentials_mfa_configure-api-require.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from domain.commands.mfa_devices import FAILED, USE_CODE, WRONG_CODE
from domain.errors import AccessRefused
from domain.log.record import Call
from domain.state.world import World
from services.kms_api.errors import WireError
from services.kms_api.incoming_request import renewed
from services.kms_api.mfa_codes import MfaCodes
from services.kms_api.writer_client import WriterClient
from services.operations.rows import Request

SERIAL, CODE = "SerialNumber", "TokenCode"
OPERATIONS = frozenset({"GetSessionToken", "AssumeRole"})
ONE_OF_TWO = f"{FAILED}, must provide both MFA serial number and one time pass code."
NOT_THE_CALLERS = (
    f"{FAILED}, unable to validate MFA code. Please verify your MFA serial number is valid "
    "and associated with this user."
)


def comes_with_code(request: Request) -> bool:
    """Whether the call names a device, or has a code of one."""
    return request.operation in OPERATIONS and (CODE in request.parameters or SERIAL in request.parameters)


async def proven_by_code(request: Request, call: Call, codes: MfaCodes, writer: WriterClient, world: World) -> Request:
    """The request with what its code proves. Raises AccessRefused, Throttled, NotFresh, Unavailable, WireError. Raises
    CredentialDisabled and CredentialExpired if the caller's credential ended while the code was used."""
    if not (request.get(CODE) and request.get(SERIAL)):
        raise AccessRefused(ONE_OF_TWO)
    device = await codes.device_of(request.caller.unique, request[SERIAL])
    if device is None:
        raise AccessRefused(NOT_THE_CALLERS)
    step = await codes.step_of(device, request[CODE])
    if step is None or step <= device.used:
        raise AccessRefused(WRONG_CODE)
    use = replace(call, id=str(uuid4()), operation=USE_CODE, parameters={SERIAL: device.arn}, invocation="")
    try:
        await writer.decide(use, {"step": str(step)})
    except WireError as fault:
        if fault.kind == AccessRefused.kind:  # another call used the code in the same moment
            raise AccessRefused(WRONG_CODE) from None
        raise
    await codes.right(device.arn)
    return renewed(replace(request, mfa=True), call, world)
