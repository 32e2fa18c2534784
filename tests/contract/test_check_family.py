"""Families of ours keep what `typedvision.testing` asks of a family of one's own."""

from __future__ import annotations

import pytest

from tests.contract.conftest import takes_seconds
from typedvision.config.base import ModelConfig
from typedvision.testing.checks import COMPUTED, DESCRIBED, Check, check_export, findings

CHECKS = [check for check in (*DESCRIBED, *COMPUTED) if check is not check_export]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_it_keeps(check: Check, small: ModelConfig) -> None:
    assert findings([check], {"small": small}) == []


@takes_seconds
def test_it_is_exported(small: ModelConfig) -> None:
    assert findings([check_export], {"small": small}) == []
