"""Which condition keys a call through a VPC endpoint has. CloudTrail has one member for addresses, sourceIPAddress. For such
a call it tells the value of aws:VpcSourceIp, and the call has no aws:SourceIp.

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
    """The context with the address under the condition key that AWS uses. Cases that an earlier version wrote need this too:
    it put every address under aws:SourceIp."""
    if ENDPOINT not in context or ADDRESS not in context:
        return context
    moved = dict(context)
    moved[ADDRESS_BEHIND] = moved.pop(ADDRESS)
    return moved


def is_absent(key: str, context: Context) -> bool:
    """Whether the call certainly lacks a condition key that its context does not have."""
    return key == ADDRESS if ENDPOINT in context else key in ONLY_THROUGH
