"""What the plug-in gives to a user of the library."""

import pytest
import torch
from acme_vision import models
from acme_vision.pebble.config import PebbleConfig
from acme_vision.pebble.family import PebbleFamily
from acme_vision.pebble.model import Pebble

from typedvision import ConfigError, ModelSpec, create_model, list_models
from typedvision.testing import check_family

IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_the_library_lists_our_models() -> None:
    assert list_models("pebble_*") == ["pebble_base", "pebble_mixed", "pebble_small"]
    assert dir(models) == list_models("pebble_*")


@pytest.mark.parametrize("name", list_models("pebble_*"))
def test_our_models_run_and_rebuild_from_json(name: str) -> None:
    model = create_model(name, num_classes=5, seed=1)
    assert model(IMAGES).shape == (2, 5)
    twin = create_model(ModelSpec.from_json(model.spec.to_json()), seed=1)
    assert torch.equal(twin(IMAGES), model(IMAGES))


def test_the_typed_door_is_the_same() -> None:
    model = models.pebble_small(num_classes=5, mixing="full", seed=1)
    assert type(model) is Pebble
    assert models.pebble_small.config(depth=3) == PebbleConfig(width=32, depth=3)


def test_wrong_options_are_told() -> None:
    with pytest.raises(ConfigError, match="did you mean 'kernel_size'"):
        create_model("pebble_base", kernelsize=3)


def test_it_keeps_what_it_declares() -> None:
    check_family(PebbleFamily)
