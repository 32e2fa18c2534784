"""Names that mean the same are stored as one."""

from __future__ import annotations

import pytest

import typedvision as tv

SYNONYMS = [
    ("resnet18", "act_layer", "swish", "silu"),
    ("resnet18", "global_pool", "fast", "avg"),
    ("efficientnet_b0", "global_pool", "fastavg", "avg"),
    ("mobilenetv3_small_050", "global_pool", "fastmax", "max"),
    ("densenet121", "global_pool", "fastavgmax", "avgmax"),
    ("vgg11", "global_pool", "fastcatavgmax", "catavgmax"),
    ("vit_tiny_patch16_224", "weight_init", "skip", "reset"),
    ("swin_tiny_patch4_window7_224", "weight_init", "skip", "reset"),
]


@pytest.mark.parametrize(("name", "option", "synonym", "stored"), SYNONYMS)
def test_a_synonym_is_stored_under_the_plain_name(
    name: str, option: str, synonym: str, stored: str
) -> None:
    config = tv.configure(name, **{option: synonym})
    assert getattr(config, option) == stored
    assert config == tv.configure(name, **{option: stored})


def test_a_classifier_is_reset_by_a_synonym() -> None:
    model = tv.create_model("resnet18", layers=(1, 1, 1, 1), seed=0)
    model.reset_classifier(3, "fastcatavgmax")
    assert model.spec.config.global_pool == "catavgmax"
    assert model.head_hidden_size == 1024
