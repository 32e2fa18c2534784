"""How large a model a caller is ready to build."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that are checked on a meta-device model, before any memory is taken."""

    params: int = 10_000_000_000
    """Most parameters that a model may have."""


DEFAULT_LIMITS = Limits()
"""Ten billion parameters: above every published model."""
