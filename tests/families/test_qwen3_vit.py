"""What is particular to language models' image encoders."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict

SMALL = {"embed_dim": 16, "depth": 1, "num_heads": 2}
QWEN = tv.configure("qwen3_vit_88m_merge", **SMALL, img_size=64, out_features=12)
DEEPSEEK = tv.configure("deepseek_vit_412m_align", **SMALL, img_size=84, out_features=12)


@pytest.mark.parametrize(
    ("cfg", "pool", "size", "tokens"),
    [(QWEN, "merge", (64, 96), 6), (DEEPSEEK, "align", (70, 98), 6)],
)
def test_an_encoder_makes_tokens_and_a_classifier_their_mean(
    cfg: tv.ModelConfig, pool: str, size: tuple[int, int], tokens: int
) -> None:
    images = torch.randn(2, 3, *size)
    alone = cfg.replace(encoder_only=True, global_pool=pool, encoder_pool="")
    encoder = tv.create_model(alone, seed=0).eval()
    classifier = tv.create_model(cfg.replace(final_norm=False), seed=0).eval()
    classifier.encoder.load_state_dict(encoder.state_dict())
    assert encoder(images).shape == (2, tokens, 12)
    torch.testing.assert_close(classifier(images), encoder(images).mean(1))
    assert {f"encoder.{key}" for key in encoder.state_dict()} == set(classifier.state_dict())


def test_squares_of_patches_must_be_whole() -> None:
    model = tv.create_model(QWEN, device="meta")
    with pytest.raises(tv.UsageError, match="multiples of 32"):
        model(torch.empty(1, 3, 48, 64, device="meta"))


@pytest.mark.parametrize(
    ("cfg", "options", "why"),
    [
        (QWEN, {"img_size": 80}, "multiple of 32"),
        (QWEN, {"encoder_pool": ""}, "'out_features' means nothing"),
        (QWEN, {"global_pool": "merge"}, "'global_pool' must be 'avg'"),
        (QWEN, {"num_heads": 3}, "multiple of 4"),
        (DEEPSEEK, {"out_features": 0}, "at least 1"),
    ],
)
def test_what_cannot_go_together(cfg: tv.ModelConfig, options: dict[str, object], why: str) -> None:
    assert why in conflict(cfg, options)
