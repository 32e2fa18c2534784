"""What a user of a plug-in may write: its models are typed as the library's own."""

from typing import assert_type

from acme_vision import models
from acme_vision.pebble.config import PebbleConfig
from acme_vision.pebble.model import Pebble

from typedvision import ImageModel, ModelSpec, create_model

assert_type(models.pebble_small(num_classes=10, mixing="full", seed=1), Pebble)
assert_type(models.pebble_small.config(depth=3), PebbleConfig)
assert_type(models.pebble_small.spec(), ModelSpec)
assert_type(create_model(PebbleConfig(width=16)), Pebble)
assert_type(create_model("pebble_small", num_classes=10), ImageModel)
