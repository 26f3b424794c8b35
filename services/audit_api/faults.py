"""Errors that several files of the audit API raise."""

from __future__ import annotations

from domain.errors import Refusal
from services.kms_api.errors import WireError


def invalid(message: str) -> WireError:
    return WireError(400, "ValidationException", message)


def missing(message: str) -> WireError:
    return WireError(404, "NotFoundException", message)


def not_found(fault: Refusal, near: str) -> WireError:
    """The error with the refusal's own sentence and, after it, `near`: a sentence that names similar things that exist."""
    return missing(f"{fault.message.rstrip('.')}.{near}")


def denied(message: str) -> WireError:
    return WireError(403, "AccessDeniedException", message)
