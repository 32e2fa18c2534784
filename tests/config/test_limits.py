"""Limits are bounds, and every published model keeps the default ones."""

from __future__ import annotations

import pytest

import typedvision as tv
from typedvision.config.limits import DEFAULT_LIMITS, Limits
from typedvision.errors import UsageError
from typedvision.registry import index

LARGEST = 6_716_030_976  # parameters of vit_7b_patch16_dinov3
DEEPEST = 2_675  # modules of resnetrs420


BOUNDS = ["x", "10", -1, True, 1.0, [], (1,)]
WRONG = [(name, bound) for name in ("params", "bytes", "modules") for bound in BOUNDS]


@pytest.mark.parametrize(("name", "bound"), [*WRONG, ("params", None), ("modules", None)])
def test_a_bound_is_an_integer_and_not_negative(name: str, bound: object) -> None:
    with pytest.raises(UsageError, match=rf"Limits\({name}="):
        Limits(**{name: bound})  # type: ignore[arg-type]


def test_the_default_limits_let_the_published_models_pass_and_nothing_ten_times_as_large() -> None:
    assert LARGEST < DEFAULT_LIMITS.params < 10 * LARGEST
    assert 8 * LARGEST < DEFAULT_LIMITS.most_bytes < 10 * 4 * LARGEST
    assert DEEPEST < DEFAULT_LIMITS.modules < 10 * DEEPEST
    rows = [row for family in index.rows().values() for row in family["variants"].values()]
    assert max(row["params"] for row in rows) <= LARGEST
    model = tv.create_model("resnetrs420", device="meta")
    assert 2_500 < sum(1 for _ in model.modules()) <= DEEPEST
