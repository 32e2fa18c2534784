"""What timm's tools and its users' code read from a model."""

from __future__ import annotations

import pytest
import torch

import typedvision as tv
from typedvision.architecture.token_model import TokenModel


def test_feature_info_answers_as_timms_does() -> None:
    model = tv.create_model("resnet18", device="meta")
    backbone = tv.create_backbone("resnet18", device="meta", out_indices=(1, 2, 3, 4))
    assert model.feature_info[1]["num_chs"] == 64
    assert model.feature_info[1]["reduction"] == 4
    assert model.feature_info[1]["module"] == "layer1"
    assert "num_chs" in model.feature_info[0]
    assert "index" not in model.feature_info[0]
    assert model.feature_info.channels() == [64, 64, 128, 256, 512]
    assert backbone.feature_info.channels() == [64, 128, 256, 512]
    assert backbone.feature_info.channels(-1) == 512
    assert backbone.feature_info.reduction() == [4, 8, 16, 32]
    assert backbone.feature_info.module_name(0) == "layer1"
    assert backbone.feature_info.get_dicts()[0] == {
        "num_chs": 64,
        "reduction": 4,
        "module": "layer1",
    }
    assert model.feature_info == model.spec.config.features()


@pytest.mark.parametrize(
    ("name", "output_fmt"),
    [
        ("resnet18", "NCHW"),
        ("swin_tiny_patch4_window7_224", "NHWC"),
        ("vit_tiny_patch16_224", "NLC"),
    ],
)
def test_plain_attributes(name: str, output_fmt: str) -> None:
    model = tv.create_model(name, device="meta", in_chans=1, drop_rate=0.25)
    assert (model.in_chans, model.drop_rate, model.output_fmt) == (1, 0.25, output_fmt)
    assert tv.create_backbone(name, device="meta", in_chans=1).in_chans == 1


def test_the_pretrained_cfg_is_made_from_the_spec() -> None:
    model = tv.create_model("vit_base_patch16_224", device="meta", num_classes=3)
    found = model.pretrained_cfg
    assert found["input_size"] == (3, 224, 224)
    assert found["mean"] == found["std"] == (0.5, 0.5, 0.5)
    assert found["interpolation"] == "bicubic"
    assert found["crop_pct"] == 0.9
    assert found["num_classes"] == 3
    assert (found["first_conv"], found["classifier"]) == ("patch_embed.proj", "head")
    assert found["fixed_input_size"] is True
    assert tv.create_backbone("vit_base_patch16_224", device="meta").pretrained_cfg["architecture"]


def test_intermediate_layers_as_dino_calls_them() -> None:
    model = tv.create_model("test_vit", seed=0).eval()
    assert isinstance(model, TokenModel)
    x = torch.randn(2, 3, 160, 160)
    final, levels = model.forward_intermediates(x, norm=True)
    (last,) = model.get_intermediate_layers(x, norm=True)
    assert isinstance(last, torch.Tensor)
    torch.testing.assert_close(last, final[:, model.num_prefix_tokens :])
    both = model.get_intermediate_layers(x, [0, 1], reshape=True, return_prefix_tokens=True)
    plain = model.forward_intermediates(x, [0, 1], intermediates_only=True)
    for found, level in zip(both, plain, strict=True):
        patches, front = found
        torch.testing.assert_close(patches, level)
        assert front.shape == (2, model.num_prefix_tokens, model.embed_dim)
    assert len(levels) == len(model.feature_info)


@pytest.mark.parametrize("name", ["test_vit", "test_resnet"])
def test_what_is_pruned_gives_its_levels(name: str) -> None:
    model = tv.create_model(name, seed=0).eval()
    x = torch.randn(1, 3, 160, 160)
    wanted = model.forward_intermediates(x, [0, 2], intermediates_only=True)
    before = sum(parameter.numel() for parameter in model.parameters())
    assert model.prune_intermediate_layers([0, 2]) == [0, 2]
    assert sum(parameter.numel() for parameter in model.parameters()) < before
    found = model.forward_intermediates(x, [0, 2], intermediates_only=True)
    torch.testing.assert_close(found, wanted)
    with pytest.raises(tv.UsageError, match="model of a backbone"):
        tv.save_model(model, "never")
    with pytest.raises(tv.ConfigError, match="feature levels"):
        model.prune_intermediate_layers([99])
