"""Which condition keys a call through a VPC endpoint has. Its address is aws:VpcSourceIp, and it has no aws:SourceIp, as
CloudTrail's one member for addresses, sourceIPAddress, does not say.

Source: IAM user guide, reference_policies_condition-keys (Availability); KMS developer guide, vpce-policy-condition and
vpce-logging.
"""

from __future__ import annotations

from domain.policy.variables import Context

ENDPOINT = "aws:sourcevpce"
ADDRESS, ADDRESS_BEHIND = "aws:sourceip", "aws:vpcsourceip"
ONLY_THROUGH = frozenset({ENDPOINT, ADDRESS_BEHIND, "aws:sourcevpc"})
"""Keys that no other call has."""


def address_moved(context: Context) -> Context:
    """The context with the address under the key that AWS has it under. It is also asked of the cases of imported
    trails: an earlier version wrote every address under aws:SourceIp."""
    if ENDPOINT not in context or ADDRESS not in context:
        return context
    moved = dict(context)
    moved[ADDRESS_BEHIND] = moved.pop(ADDRESS)
    return moved


def is_absent(key: str, context: Context) -> bool:
    """Whether the call certainly lacks a condition key that its context does not have."""
    return key == ADDRESS if ENDPOINT in context else key in ONLY_THROUGH
