"""Images of any size go through a model, or are refused in a sentence."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from typedvision.config.base import ModelConfig
from typedvision.registry.family import AnyFamily

ODD = [(65, 67), (71, 130), (100, 64)]


def test_odd_sizes_are_taken_or_refused(family: AnyFamily, small: ModelConfig) -> None:
    model = tv.create_model(small, device="meta").eval()
    sentences = dict[str, str]()
    for height, width in ODD:
        try:
            model(torch.empty(1, small.in_chans, height, width, device="meta"))
        except tv.UsageError as error:
            sentences[f"{height} x {width}"] = error.summary
    assert all(size in sentence for size, sentence in sentences.items())
    assert not sentences or family.capabilities.input_size != "any"


@pytest.mark.parametrize("name", ["dla34", "hrnet_w18_small"])
def test_only_what_cannot_be_added_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tv.create_model(name, device="meta").eval()

    def taken(side: int, refusal: type[Exception]) -> bool:
        try:
            model.forward_features(torch.empty(1, 3, side, 64, device="meta"))
        except refusal:
            return False
        return True

    sides = range(16, 70)
    checked = {side: taken(side, tv.UsageError) for side in sides}
    monkeypatch.setattr(type(model), "_check_size", lambda *_: None)
    assert checked == {side: taken(side, RuntimeError) for side in sides}
    assert checked[63]
    assert not checked[65]
