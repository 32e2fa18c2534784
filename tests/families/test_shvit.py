"""What is particular to SHViT."""

from __future__ import annotations

import pytest

from tests.conflicts import conflict
from typedvision.families.shvit.config import SHViTConfig

SMALL = SHViTConfig(embed_dim=(16, 24, 40), partial_dim=(8, 10, 12), types=("i", "s", "s"))


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"partial_dim": (8, 25, 12)}, "'partial_dim'"),
        ({"norm_layer": "groupnorm"}, "'norm_layer'"),
        ({"global_pool": "catavgmax"}, "'avgmax'"),
    ],
)
def test_what_cannot_go_together_is_refused(options: dict[str, object], names: str) -> None:
    assert names in conflict(SMALL, options)


def test_a_stage_without_attention_sees_what_it_likes() -> None:
    assert SMALL.replace(partial_dim=(99, 10, 12)).plan()[0].attends is False
