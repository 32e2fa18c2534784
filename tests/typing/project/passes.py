"""What a user may write, and what type it has."""

from typing import assert_type

import torch

import typedvision as tv
from typedvision import (
    Backbone,
    BackboneSpec,
    ImageModel,
    ModelConfig,
    ModelSpec,
    configure,
    create_backbone,
    create_model,
    models,
    parameter_groups,
)
from typedvision.families.resnet.config import BlockArgs, ResNetConfig
from typedvision.families.resnet.family import ResNetFamily
from typedvision.families.resnet.model import ResNet

# The precise door.
assert_type(models.resnet50(), ResNet)
assert_type(models.resnet50(num_classes=10, replace_stem_pool=True), ResNet)
assert_type(models.resnet50(block="basic", layers=(1, 1, 1, 1), act_layer="gelu"), ResNet)
assert_type(models.resnet50(aa_layer=None, drop_rate=0, output_stride=8), ResNet)
assert_type(models.resnet50(block_args=BlockArgs(attn_layer="se")), ResNet)
assert_type(models.resnet50(device="meta", dtype=torch.float16, seed=1), ResNet)
assert_type(models.resnet50.config(num_classes=10), ResNetConfig)
assert_type(models.resnet50.spec(stem_type="deep"), ModelSpec)
assert_type(models.resnet50.tags, tuple[str, ...])
assert_type(models.resnet50(pretrained=True), ResNet)
assert_type(models.resnet50(pretrained="a1_in1k", offline=True), ResNet)
assert_type(models.resnet50(pretrained=False, checkpoint_path="weights.safetensors"), ResNet)
assert_type(models.resnet200(pretrained=False), ResNet)
assert_type(tv.models.resnet18(in_chans=1), ResNet)

# The door that everybody knows.
assert_type(create_model("resnet50"), ResNet)
assert_type(create_model("resnet50", num_classes=10, replace_stem_pool=True), ResNet)
assert_type(tv.create_model("resnet50", device="meta", dtype=torch.float16, seed=1), ResNet)
assert_type(create_model("resnet50", pretrained="a1_in1k", cache_dir="/tmp"), ResNet)
assert_type(configure("resnet50", block_args=BlockArgs(attn_layer="se")), ResNetConfig)

# Config first, family first.
config = ResNetConfig(block="basic", layers=(1, 1, 1, 1), drop_rate=0.1)
assert_type(create_model(config), ResNet)
assert_type(create_model(config, num_classes=3, seed=1), ResNet)
assert_type(config.replace(num_classes=3), ResNetConfig)
assert_type(ResNetFamily.create("resnet50", num_classes=10), ResNet)
assert_type(ResNetFamily.configure("resnet50", num_classes=10), ResNetConfig)

# Backbones.
backbone = create_backbone("resnet50", out_indices=(1, 3), output_fmt="NHWC", in_chans=1)
assert_type(backbone, Backbone[ResNet])
assert_type(backbone.model, ResNet)
assert_type(backbone(torch.rand(1, 1, 64, 64)), list[torch.Tensor])
assert_type(backbone.channels, tuple[int, ...])
assert_type(backbone.spec, BackboneSpec)
assert_type(create_backbone("resnet50", pretrained="a1_in1k", out_indices=[-1]), Backbone[ResNet])
assert_type(create_backbone(config, out_indices=range(3)), Backbone[ResNet])
assert_type(create_backbone(backbone.spec, seed=1), Backbone[ImageModel])
tv.save_model(backbone, "backbone.safetensors")
assert_type(tv.load_backbone("backbone.safetensors"), Backbone[ImageModel])
torch.optim.AdamW(parameter_groups(backbone, lr=1e-3, weight_decay=0.05, layer_decay=0.75))
torch.optim.AdamW(parameter_groups(backbone.model, lr=1e-3, weight_decay=0.05))


# A name that is known at run time only.
def at_run_time(name: str, spec: ModelSpec) -> None:
    assert_type(create_model(name, num_classes=10), ImageModel)
    assert_type(create_model("resnet50.a1_in1k"), ImageModel)
    assert_type(create_model(spec, in_chans=1), ImageModel)
    assert_type(configure(name, drop_rate=0.5), ModelConfig)
    assert_type(create_backbone(name, in_chans=1), Backbone[ImageModel])
    assert_type(create_backbone(spec, out_indices=(0,)), Backbone[ImageModel])
