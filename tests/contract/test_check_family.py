"""Every family of ours keeps what `typedvision.testing` asks of a family of one's own."""

from __future__ import annotations

import pytest

from typedvision.config.base import ModelConfig
from typedvision.testing.checks import COMPUTED, DESCRIBED, Check, check_export, findings

CHECKS = [check for check in (*DESCRIBED, *COMPUTED) if check is not check_export]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_it_keeps(check: Check, small: ModelConfig) -> None:
    assert findings([check], {"small": small}) == []


def test_it_keeps_its_export(thorough: ModelConfig) -> None:
    assert findings([check_export], {"small": thorough}) == []
