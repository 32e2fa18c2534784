"""What a user may write, and what type it has."""

from typing import Any, assert_type

import torch

import typedvision as tv
from typedvision import (
    Backbone,
    BackboneSpec,
    ClassScore,
    EvaluationTransform,
    ExportReport,
    ImageModel,
    ModelConfig,
    ModelSpec,
    ModelSummary,
    PatchTrainingTransform,
    PatchTransform,
    Prediction,
    TrainingTransform,
    configure,
    create_backbone,
    create_model,
    export_model,
    make_transform,
    models,
    parameter_groups,
    predict,
    specify,
    summarize,
)
from typedvision.config.mobile.squeeze_excite import SqueezeExcite
from typedvision.families.beit.model import Beit
from typedvision.families.convnext.config import ConvNeXtConfig
from typedvision.families.convnext.model import ConvNeXt
from typedvision.families.densenet.model import DenseNet
from typedvision.families.efficientvit_mit.config import EfficientVitConfig
from typedvision.families.eva.model import Eva
from typedvision.families.levit.model import Levit
from typedvision.families.maxxvit.model import MaxxVit
from typedvision.families.mobilenetv3.config import MobileNetV3Config
from typedvision.families.mobilenetv3.model import MobileNetV3
from typedvision.families.regnet.model import RegNet
from typedvision.families.resnet.config import BlockArgs, ResNetConfig
from typedvision.families.resnet.family import ResNetFamily
from typedvision.families.resnet.model import ResNet
from typedvision.families.resnetv2.model import ResNetV2
from typedvision.families.swin.model import SwinTransformer
from typedvision.families.vgg.model import VGG
from typedvision.families.vit.model import VisionTransformer

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

# Other families, through both doors.
assert_type(models.convnext_tiny(pretrained="fb_in1k", ls_init_value=None), ConvNeXt)
assert_type(create_model("convnextv2_atto", depths=(1, 1, 1, 1), use_grn=False), ConvNeXt)
assert_type(configure("convnext_tiny", conv_mlp=True), ConvNeXtConfig)
assert_type(models.swin_tiny_patch4_window7_224(window_size=8, img_size=256), SwinTransformer)
assert_type(create_model("swin_tiny_patch4_window7_224", drop_path_rate=0.2), SwinTransformer)
assert_type(models.vgg16_bn(in_chans=1), VGG)
assert_type(create_backbone("vgg11", out_indices=[0, 4]), Backbone[VGG])
assert_type(models.densenet121(growth_rate=16, pretrained=False), DenseNet)
assert_type(create_model("densenet121", bn_size=2), DenseNet)
assert_type(models.mobilenetv3_large_100(se_layer=SqueezeExcite(rd_divisor=8)), MobileNetV3)
assert_type(create_model("lcnet_050", se_layer=SqueezeExcite()), MobileNetV3)
assert_type(models.lcnet_050.config(head_bias=False), MobileNetV3Config)
assert_type(models.regnety_032(pretrained="ra_in1k", se_ratio=0.5), RegNet)
assert_type(create_model("regnetz_005", downsample=None, num_features=0), RegNet)
assert_type(models.resnetv2_50(conv_layer="std_conv2d", norm_layer="frntlu"), ResNetV2)
assert_type(create_model("beit_base_patch16_224", use_rel_pos_bias=False), Beit)
assert_type(models.vit_small_patch16_dinov3(rope_temperature=50.0), Eva)
distilled = models.deit_base_distilled_patch16_224(pretrained=True)
assert_type(distilled, VisionTransformer)
assert_type(create_model("deit_base_distilled_patch16_224", distilled=False), VisionTransformer)

# Config first, family first.
config = ResNetConfig(block="basic", layers=(1, 1, 1, 1), drop_rate=0.1)
assert_type(create_model(config), ResNet)
assert_type(create_model(config, num_classes=3, seed=1), ResNet)
assert_type(config.replace(num_classes=3), ResNetConfig)
assert_type(ResNetFamily.configure("resnet50", num_classes=10), ResNetConfig)

# Backbones.
backbone = create_backbone("resnet50", out_indices=(1, 3), output_fmt="NHWC", in_chans=1)
assert_type(backbone, Backbone[ResNet])
assert_type(backbone.model, ResNet)
assert_type(backbone(torch.rand(1, 1, 64, 64)), list[torch.Tensor])
assert_type(backbone.channels, tuple[int, ...])
assert_type(backbone.spec, BackboneSpec)
assert_type(create_backbone("resnet50", pretrained="a1_in1k", out_indices=[-1]), Backbone[ResNet])
assert_type(models.resnet50.backbone(out_indices=(1, 3), replace_stem_pool=True), Backbone[ResNet])
assert_type(models.resnet50.backbone(pretrained="a1_in1k", output_fmt="NHWC"), Backbone[ResNet])
assert_type(models.maxvit_tiny_tf_224.backbone(out_indices=[0]).model, MaxxVit)
assert_type(models.levit_128s(drop_path_rate=0.1), Levit)
assert_type(models.efficientvit_b0.config(head_widths=(64, 64)), EfficientVitConfig)
assert_type(create_backbone(config, out_indices=range(3)), Backbone[ResNet])
assert_type(create_backbone(backbone.spec, seed=1), Backbone[ImageModel])
tv.save_model(backbone, "backbone.safetensors")
assert_type(tv.load_backbone("backbone.safetensors"), Backbone[ImageModel])
torch.optim.AdamW(parameter_groups(backbone, lr=1e-3, weight_decay=0.05, layer_decay=0.75))
torch.optim.AdamW(parameter_groups(backbone.model, lr=1e-3, weight_decay=0.05))

groups = parameter_groups(distilled, lr=1e-3, weight_decay=0.05)
assert_type(groups[0]["params"], Any)

# What a model is for.
assert_type(make_transform(distilled), EvaluationTransform)
assert_type(make_transform(distilled.spec, training=True), TrainingTransform)
assert_type(make_transform("naflexvit_base_patch16_gap", max_seq_len=256), PatchTransform)
assert_type(
    make_transform("naflexvit_base_patch16_gap", training=True, seed=0, max_seq_len=256),
    PatchTrainingTransform,
)
(prediction,) = predict(distilled, ["cat.jpg"])
assert_type(prediction, Prediction)
assert_type(prediction.classes, tuple[ClassScore, ...])
assert_type(export_model(distilled, "deit.pt2", format="pt2"), ExportReport)
assert_type(summarize(distilled.spec), ModelSummary)
assert_type(specify("resnet50", num_classes=10), ModelSpec)


# A name that is known at run time only.
def at_run_time(name: str, spec: ModelSpec) -> None:
    assert_type(create_model(name, num_classes=10), ImageModel)
    assert_type(create_model("resnet50.a1_in1k"), ImageModel)
    assert_type(create_model("tv_densenet121", num_classes=10), ImageModel)  # an old alias
    assert_type(create_model(spec, in_chans=1), ImageModel)
    assert_type(configure(name, drop_rate=0.5), ModelConfig)
    assert_type(create_backbone(name, in_chans=1), Backbone[ImageModel])
    assert_type(create_backbone(spec, out_indices=(0,)), Backbone[ImageModel])
