"""What a user of a plug-in must not write."""

from acme_vision import models
from acme_vision.pebble.config import PebbleConfig

from typedvision import create_model

models.pebble_small(qkv_bias=True)  # error: option qkv_bias
models.pebble_small(kernelsize=3)  # error: option kernelsize
models.pebble_small(depth="3")  # error
models.pebble_small(mixing="none")  # error
models.pebble_small(pretrained=True)  # error
models.pebble_smal()  # error
models.pebble_small.config(qkv_bias=True)  # error: option qkv_bias
PebbleConfig(mixing="none")  # error
create_model("pebble_small", mixing="full")  # error
