"""Families of ours keep what `typedvision.testing` asks of a family of one's own."""

from __future__ import annotations

import pytest

from tests.contract.conftest import of_each_base, takes_seconds
from typedvision.config.base import ModelConfig
from typedvision.testing.checks import (
    COMPUTED,
    DESCRIBED,
    Check,
    check_export,
    check_groups,
    check_initial_weights,
    check_schema,
    check_spec,
    findings,
)

FAST = (check_spec, check_schema, check_groups, check_initial_weights)
# What they say of shapes and parts, golden numbers and structure say of every family.
OTHERS = [check for check in (*DESCRIBED, *COMPUTED) if check not in (*FAST, check_export)]


@pytest.mark.parametrize("check", FAST, ids=lambda check: check.__name__)
def test_it_keeps(check: Check, small: ModelConfig) -> None:
    assert findings([check], {"small": small}) == []


@of_each_base
@pytest.mark.parametrize("check", OTHERS, ids=lambda check: check.__name__)
def test_it_computes(check: Check, small: ModelConfig) -> None:
    assert findings([check], {"small": small}) == []


@takes_seconds
def test_it_is_exported(small: ModelConfig) -> None:
    assert findings([check_export], {"small": small}) == []
