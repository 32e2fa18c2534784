"""What the plugin lets pass, and what type it has."""

from typing import assert_type

from acme_vision.pebble.model import Pebble

from typedvision import (
    Backbone,
    ImageModel,
    ModelSpec,
    configure,
    create_backbone,
    create_model,
    models,
    specify,
)
from typedvision.families.convnext.model import ConvNeXt
from typedvision.families.densenet.model import DenseNet
from typedvision.families.resnet.config import BlockArgs, ResNetConfig
from typedvision.families.resnet.model import ResNet

assert_type(create_model("resnet50"), ResNet)
assert_type(create_model("resnet50", num_classes=10, layers=(1, 1, 1, 1), drop_rate=0), ResNet)
assert_type(create_model("resnet50", pretrained="a1_in1k"), ResNet)
assert_type(create_model("resnet50.a1_in1k", pretrained=True), ResNet)
assert_type(create_model("tv_densenet121", growth_rate=16), DenseNet)  # an old name
assert_type(create_model("hf-hub:owner/name", pretrained=True), ImageModel)
assert_type(create_model("resnet50", block_args=BlockArgs(attn_layer="se")), ResNet)
assert_type(create_model(model="resnet50", device="meta", seed=1), ResNet)
assert_type(configure("resnet50.a1_in1k", in_chans=1), ResNetConfig)
assert_type(configure(name="resnet50", num_classes=0, global_pool=""), ResNetConfig)
assert_type(specify("resnet50", num_classes=10), ModelSpec)
assert_type(create_backbone("resnet50", out_indices=(1, -1), output_fmt="NHWC"), Backbone[ResNet])
assert_type(models.convnext_tiny(pretrained="fb_in1k", ls_init_value=None), ConvNeXt)
assert_type(create_model(ResNetConfig(block="basic", layers=(1, 1, 1, 1))), ResNet)
assert_type(create_model("pebble_small", mixing="full"), Pebble)
assert_type(create_model("resnet5O"), ImageModel)  # type: ignore[typedvision]


def at_run_time(name: str, spec: ModelSpec, classes: int, options: dict[str, object]) -> None:
    assert_type(create_model(name, num_classes=classes), ImageModel)
    assert_type(create_model(spec, in_chans=1), ImageModel)
    assert_type(create_model("resnet50", num_classes=classes, global_pool=""), ResNet)
    assert_type(create_model(specify("resnet50", **options)), ImageModel)
