"""Errors of the audit API that several of its files raise."""

from __future__ import annotations

from domain.errors import Refusal
from services.kms_api.errors import WireError


def invalid(message: str) -> WireError:
    return WireError(400, "ValidationException", message)


def missing(message: str) -> WireError:
    return WireError(404, "NotFoundException", message)


def not_found(fault: Refusal, near: str) -> WireError:
    """A refusal's sentence, with `near`: what exists instead."""
    return missing(f"{fault.message.rstrip('.')}.{near}")


def denied(message: str) -> WireError:
    return WireError(403, "AccessDeniedException", message)
