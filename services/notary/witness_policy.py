"""The file that KEYTRAIL_WITNESS_POLICY_FILE names."""

from __future__ import annotations

from pathlib import Path

from domain.transparency.policies import NO_WITNESSES, PolicyRefused, WitnessPolicy, witness_policy
from services.named_files import BadFile, text_of
from services.settings import BadSetting, Settings


def load_policy(settings: Settings) -> WitnessPolicy:
    """Raises BadSetting."""
    if not settings.witness_policy_file:
        return NO_WITNESSES
    path = Path(settings.witness_policy_file)
    try:
        found = witness_policy(text_of(path))
    except BadFile as fault:
        raise BadSetting(f"KEYTRAIL_WITNESS_POLICY_FILE: {fault}") from None
    except PolicyRefused as fault:
        raise BadSetting(f"KEYTRAIL_WITNESS_POLICY_FILE: {path}, {fault}.") from None
    if not found.is_met([each.name for each in found.asked]):
        raise BadSetting(
            f"KEYTRAIL_WITNESS_POLICY_FILE: {path}: the quorum needs witnesses that have no address, and nobody can ask them. "
            "Add an address (https://...) to the end of their lines."
        )
    return found
