"""Families of ours keep what `typedvision.testing` asks of a family of one's own: one of each base,
and all of them in `make thorough`. What it asks, the other contract tests ask of each family."""

from __future__ import annotations

import pytest

from typedvision.config.base import ModelConfig
from typedvision.testing.checks import COMPUTED, DESCRIBED, Check, findings


@pytest.mark.parametrize("check", [*DESCRIBED, *COMPUTED], ids=lambda check: check.__name__)
def test_it_keeps(check: Check, thorough: ModelConfig) -> None:
    assert findings([check], {"small": thorough}) == []
