"""What is particular to Vision Transformers."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.vit.config import ViTConfig
from typedvision.families.vit.model import VisionTransformer
from typedvision.layers.attention import LAMBDAS, Attention, DifferentialAttention
from typedvision.layers.init import initialize
from typedvision.layers.mlp import GluMlp
from typedvision.layers.patch_embed import PatchDropout, PatchEmbed, resample_patch_kernel
from typedvision.layers.position import resample_position_table
from typedvision.layers.token_pool import GlobalTokenPool

TINY = ViTConfig(
    img_size=8, patch_size=2, in_chans=1, num_classes=10, embed_dim=32, depth=2, num_heads=4
)


def vit(**options: object) -> VisionTransformer:
    model = tv.create_model(TINY.replace(**options), dtype=torch.float64, seed=0)
    assert isinstance(model, VisionTransformer)
    with torch.no_grad():
        for parameter in model.parameters():  # what is initialised to zero would hide mistakes
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


CONFLICTS = [
    ({"num_heads": 5}, "embed_dim"),
    ({"num_heads": 32, "attn_layer": "diff"}, "embed_dim"),
    ({"global_pool": "token", "class_token": False}, "class_token"),
    ({"fc_norm": True, "final_norm": False}, "final_norm"),
    ({"scale_mlp_norm": True, "block_fn": "parallel_scaling"}, "block_fn"),
    ({"mlp_layer": "swiglu", "block_fn": "diff_parallel_scaling"}, "block_fn"),
    ({"fix_init": True, "block_fn": "parallel_things"}, "block_fn"),
    ({"mlp_ratio": 0.01}, "embed_dim"),
    ({"mlp_ratio": 0.1, "mlp_layer": "glu_mlp"}, "embed_dim"),
    ({"global_pool": "avg", "distilled": True}, "distilled"),
    ({"pos_embed": "none", "distilled": True}, "distilled"),
    ({"no_embed_class": True, "distilled": True}, "distilled"),
    ({"reg_tokens": 1, "distilled": True}, "distilled"),
    ({"fc_norm": True, "distilled": True}, "distilled"),
    ({"img_size": (8, 1)}, "patch_size"),
    ({"img_size": 9, "dynamic_img_pad": True}, "dynamic_img_pad"),
]


@pytest.mark.parametrize(("options", "other"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], other: str) -> None:
    assert f"'{other}'" in conflict(TINY, options)


def test_the_plan_counts_tokens() -> None:
    cfg = TINY.replace(img_size=(8, 12), reg_tokens=3)
    assert (cfg.plan().grid, cfg.plan().prefix, cfg.plan().positions) == ((4, 6), 4, 28)
    assert cfg.replace(no_embed_class=True).plan().positions == 24
    assert cfg.replace(pos_embed="none").plan().positions == 0
    assert cfg.replace(img_size=9).plan().grid == (4, 4)


def test_the_plan_grows_with_depth() -> None:
    blocks = TINY.replace(depth=3, drop_path_rate=0.2, fix_init=True).plan().blocks
    assert [block.drop_path_rate for block in blocks] == [0.0, 0.1, 0.2]
    assert [block.output_scale for block in blocks] == pytest.approx(
        [1 / math.sqrt(2), 1 / 2, 1 / math.sqrt(6)]
    )
    assert [block.lambda_init for block in blocks[:2]] == pytest.approx(
        [0.2, 0.8 - 0.6 * math.exp(-0.3)]
    )


def test_a_patch_is_projected_where_it_stands() -> None:
    embed = PatchEmbed(1, 3, (2, 4), pad=True).double()
    x = torch.randn(1, 1, 3, 7, dtype=torch.float64)
    out = embed(x)
    assert out.shape == (1, 2, 2, 3)
    padded = torch.zeros(1, 1, 4, 8, dtype=torch.float64)
    padded[..., :3, :7] = x
    last = (embed.proj.weight * padded[..., 2:, 4:]).sum((1, 2, 3)) + embed.proj.bias
    torch.testing.assert_close(out[0, 1, 1], last)


def test_tokens_stand_in_order() -> None:
    model = vit(reg_tokens=2)
    patches = torch.randn(3, 4, 4, 32, dtype=torch.float64)
    tokens = model._tokens(patches) - model.pos_embed
    torch.testing.assert_close(tokens[:, :1], model.cls_token.expand(3, -1, -1))
    torch.testing.assert_close(tokens[:, 1:3], model.reg_token.expand(3, -1, -1))
    torch.testing.assert_close(tokens[:, 3 + 5], patches[:, 1, 1])


def test_positions_of_patches_alone_leave_the_other_tokens() -> None:
    model = vit(reg_tokens=2, no_embed_class=True)
    tokens = model._tokens(torch.zeros(1, 4, 4, 32, dtype=torch.float64))
    torch.testing.assert_close(tokens[:, 1:3], model.reg_token.data)
    torch.testing.assert_close(tokens[:, 3:], model.pos_embed.data)


def test_a_table_is_resampled_row_by_row() -> None:
    rows, _ = torch.meshgrid(torch.arange(4.0), torch.zeros(6), indexing="ij")
    ramp = torch.stack((rows, rows * 0 + 5.0), dim=-1).reshape(1, 24, 2)
    front = torch.full((1, 2, 2), -9.0)
    table = resample_position_table(torch.cat((front, ramp), dim=1), (4, 6), (8, 3))
    torch.testing.assert_close(table[:, :2], front)
    height = table[0, 2:, 0].reshape(8, 3)
    torch.testing.assert_close(height, height[:, :1].expand(8, 3))
    assert (height.diff(dim=0) > 0).all()
    torch.testing.assert_close(table[0, 2:, 1], torch.full((24,), 5.0))
    assert resample_position_table(ramp, (4, 6), (4, 6)) is ramp
    assert resample_position_table(ramp.bfloat16(), (4, 6), (2, 2)).dtype == torch.bfloat16


def test_flexivit_brings_weights_to_other_sizes_bilinearly(tmp_path: Path) -> None:
    config = tv.configure("flexivit_small", depth=1, embed_dim=16, num_heads=2, img_size=64)
    saved = tv.create_model(config, seed=0)
    assert isinstance(saved, VisionTransformer)
    tv.save_model(saved, tmp_path / "flexi.safetensors")
    model = tv.create_model(
        config, checkpoint_path=tmp_path / "flexi.safetensors", img_size=32, patch_size=4
    )
    assert isinstance(model, VisionTransformer)
    maps = saved.pos_embed.reshape(1, 4, 4, 16).permute(0, 3, 1, 2)
    table = torch.nn.functional.interpolate(maps, (8, 8), mode="bilinear", antialias=False)
    torch.testing.assert_close(model.pos_embed, table.flatten(2).transpose(1, 2))
    kernel = resample_patch_kernel(saved.patch_embed.proj.weight, (4, 4), "bilinear")
    torch.testing.assert_close(model.patch_embed.proj.weight, kernel)


def test_any_size_is_the_same_as_a_changed_size() -> None:
    fixed, free = vit(), vit(dynamic_img_size=True)
    free.load_state_dict(fixed.state_dict())
    x = torch.randn(2, 1, 12, 6, dtype=torch.float64)
    with pytest.raises(tv.UsageError, match=r"8 x 8 pixels; got 12 x 6.*set_input_size"):
        fixed(x)
    fixed.set_input_size((12, 6))
    torch.testing.assert_close(fixed(x), free(x))
    assert fixed.spec.config == TINY.replace(img_size=(12, 6))
    rebuilt = tv.create_model(fixed.spec, dtype=torch.float64)
    rebuilt.load_state_dict(fixed.state_dict())
    torch.testing.assert_close(rebuilt.eval()(x), fixed(x))
    with pytest.raises(tv.ConfigError, match="patch_size"):
        fixed.set_input_size(1)


def test_patches_of_another_size_are_resampled() -> None:
    model, x = vit(), torch.randn(2, 1, 8, 12, dtype=torch.float64)
    kernel = resample_patch_kernel(model.patch_embed.proj.weight.detach(), (4, 4))
    model.set_input_size((8, 12), patch_size=4)
    torch.testing.assert_close(model.patch_embed.proj.weight.detach(), kernel)
    assert (model.grid, model.feature_info[0].stride) == ((2, 3), 4)
    rebuilt = tv.create_model(model.spec, dtype=torch.float64).eval()
    rebuilt.load_state_dict(model.state_dict())
    torch.testing.assert_close(rebuilt(x), model(x))


def test_it_says_what_its_tokens_are() -> None:
    model = vit(reg_tokens=2, no_embed_class=True)
    assert (model.embed_dim, model.num_prefix_tokens, model.num_reg_tokens) == (32, 3, 2)
    assert (model.has_class_token, model.no_embed_class, model.global_pool) == (True, True, "token")
    model.reset_classifier(2, "avg")
    assert model.global_pool == "avg"
    assert vit(distilled=True).num_prefix_tokens == 2


def test_any_size_wants_whole_patches_or_padding() -> None:
    x = torch.randn(1, 1, 7, 10, dtype=torch.float64)
    with pytest.raises(tv.UsageError, match="multiples of 2 x 2 pixels"):
        vit(dynamic_img_size=True)(x)
    model = vit(dynamic_img_size=True, dynamic_img_pad=True)
    _, (level,) = model.forward_intermediates(x, indices=1)
    assert level.shape == (1, 32, 4, 5)


def test_what_is_stopped_early_is_normalised_all_the_same() -> None:
    x = torch.randn(1, 1, 8, 8, dtype=torch.float64)
    model = vit(dynamic_img_size=True)
    final, (level,) = model.forward_intermediates(x, indices=[0], norm=True, stop_early=True)
    torch.testing.assert_close(final[:, model.num_prefix_tokens :].mT.reshape(level.shape), level)


def test_attention_is_the_formula() -> None:
    layer = Attention(8, 2).double()
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    q, k, v = layer.qkv(x).reshape(2, 5, 3, 2, 4).permute(2, 0, 3, 1, 4)
    out = (q @ k.mT / math.sqrt(4)).softmax(-1) @ v
    torch.testing.assert_close(layer(x), layer.proj(out.permute(0, 2, 1, 3).flatten(2)))


def test_differential_attention_is_the_formula() -> None:
    layer = DifferentialAttention(8, 2, lambda_init=0.3).double()
    initialize(
        layer, 0, lambda _, module: layer.initializers() if module is layer else {}, only=LAMBDAS
    )
    torch.nn.init.normal_(layer.sub_norm.weight)
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    q, k, v = layer.qkv(x).chunk(3, dim=-1)
    (q1, q2), (k1, k2) = (y.reshape(2, 5, 2, 2, 2).permute(3, 0, 2, 1, 4) for y in (q, k))
    v = v.reshape(2, 5, 2, 4).transpose(1, 2)
    one, two = ((a @ b.mT / math.sqrt(2)).softmax(-1) for a, b in ((q1, k1), (q2, k2)))
    q1, k1, q2, k2 = (getattr(layer, name) for name in LAMBDAS)
    weight = (q1 @ k1).exp() - (q2 @ k2).exp() + 0.3
    out = layer.sub_norm((one - weight * two) @ v) * 0.7
    torch.testing.assert_close(layer(x), layer.proj(out.transpose(1, 2).flatten(2)))


@pytest.mark.parametrize("gate_last", [False, True])
def test_one_half_gates_the_other(gate_last: bool) -> None:
    layer = GluMlp(3, 8, torch.nn.Sigmoid(), gate_last=gate_last).double()
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    first, second = layer.fc1(x).split(4, dim=-1)
    gate, gated = (second, first) if gate_last else (first, second)
    torch.testing.assert_close(layer(x), layer.fc2(gate.sigmoid() * gated))


def test_training_leaves_out_patches_and_no_other_token() -> None:
    x = torch.arange(2 * 13.0).reshape(2, 13, 1)
    drop = PatchDropout(0.5, prefix=3).train()
    y = drop(x)
    assert y.shape == (2, 8, 1)
    torch.testing.assert_close(y[:, :3], x[:, :3])
    rows = zip(y[:, 3:].flatten(1).tolist(), x[:, 3:].flatten(1).tolist(), strict=True)
    for kept, patches in rows:
        assert len(set(kept)) == 5
        assert set(kept) < set(patches)
    assert drop.eval()(x) is x


def test_the_pooling_leaves_out_what_is_no_patch() -> None:
    x = torch.randn(2, 19, 32, dtype=torch.float64)
    options = {"reg_tokens": 2, "global_pool": "avg", "fc_norm": False, "num_classes": 0}
    torch.testing.assert_close(vit(**options).forward_head(x), x[:, 3:].mean(1))
    whole = vit(**options, pool_include_prefix=True)
    torch.testing.assert_close(whole.forward_head(x), x.mean(1))
    torch.testing.assert_close(GlobalTokenPool("max")(x), x.max(1).values)


def test_the_last_norm_follows_the_pooling() -> None:
    model = vit()
    learned = model.norm.weight
    model.reset_classifier(3, "avg")
    assert model.fc_norm.weight is learned
    assert list(model.norm.parameters()) == []
    model.reset_classifier(3, "map")
    assert model.norm.weight is learned
    assert (
        model.state_dict().keys() == tv.create_model(model.spec, device="meta").state_dict().keys()
    )


def test_a_kept_attention_pool_keeps_its_weights() -> None:
    model = vit(global_pool="map")
    latent = model.attn_pool.latent
    model.reset_classifier(5)
    assert model.attn_pool.latent is latent


def test_two_tokens_have_a_classifier_each() -> None:
    model = vit(distilled=True)
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64)
    features = model.forward_features(x)
    assert features.shape == (3, 2 + 16, 32)
    one, other = model.forward_distilled(x)
    torch.testing.assert_close(one, model.head(features[:, 0]))
    torch.testing.assert_close(other, model.head_dist(features[:, 1]))
    torch.testing.assert_close(model(x), (one + other) / 2)
    seen = model.forward_head(features, pre_logits=True)
    torch.testing.assert_close(seen, features[:, :2].mean(1))
    with pytest.raises(tv.UsageError, match="distilled=True"):
        vit().forward_distilled(x)


def test_distilled_training_returns_what_has_a_loss_each() -> None:
    model, x = vit(distilled=True), torch.randn(3, 1, 8, 8, dtype=torch.float64)
    model.set_distilled_training()
    assert isinstance(model(x), torch.Tensor)  # in evaluation mode the mean
    pair = model.train()(x)
    assert isinstance(pair, tuple)
    for found, wanted in zip(pair, model.forward_distilled(x), strict=True):
        torch.testing.assert_close(found, wanted)
    assert model.forward_head(model.forward_features(x), pre_logits=True).shape == (3, 32)
    model.set_distilled_training(False)
    assert isinstance(model(x), torch.Tensor)
    with pytest.raises(tv.UsageError, match="distilled=True"):
        vit().set_distilled_training()


def test_the_distillation_token_is_second() -> None:
    model = vit(distilled=True)
    tokens = model._tokens(torch.zeros(1, 4, 4, 32, dtype=torch.float64)) - model.pos_embed
    torch.testing.assert_close(tokens[:, :1], model.cls_token.data)
    torch.testing.assert_close(tokens[:, 1:2], model.dist_token.data)


def test_both_classifiers_are_replaced() -> None:
    model = vit(distilled=True)
    model.reset_classifier(3)
    assert list(model.get_classifier()) == [model.head, model.head_dist]
    assert [layer.out_features for layer in model.get_classifier()] == [3, 3]
    model.reset_classifier(0)
    assert list(model.get_classifier().parameters()) == []
    with pytest.raises(tv.ConfigError, match="'global_pool' must be 'token'"):
        model.reset_classifier(3, "avg")


def test_training_never_leaves_out_the_distillation_token() -> None:
    model = vit(distilled=True, patch_drop_rate=0.75).train()
    assert model.forward_features(torch.randn(2, 1, 8, 8).double()).shape == (2, 2 + 4, 32)
    assert model.patch_drop.prefix == 2


@pytest.mark.parametrize("block_fn", ["parallel_scaling", "diff_parallel_scaling"])
def test_a_common_projection_without_bias_leaves_one_to_the_mlp(block_fn: str) -> None:
    model = vit(block_fn=block_fn, qkv_bias=False)
    block, twin = model.blocks[0], vit(block_fn=block_fn).blocks[0]
    state = block.state_dict()
    bias = torch.zeros(128 + 96, dtype=torch.float64)
    bias[:128] = state.pop("mlp_bias")
    twin.load_state_dict({**state, "in_proj.bias": bias})
    x = torch.randn(2, 5, 32, dtype=torch.float64)
    torch.testing.assert_close(block(x), twin(x))


@pytest.mark.parametrize(
    "options",
    [{"mlp_layer": "swiglu_packed"}, {"mlp_layer": "glu_mlp"}, {"block_fn": "parallel_scaling"}],
)
def test_parts_of_one_projection_are_not_overwritten(options: dict[str, object]) -> None:
    model = vit(act_layer="relu", **options)
    model(torch.randn(2, 1, 8, 8, dtype=torch.float64)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_classifiers_are_initialised_as_the_paper_does() -> None:
    model = tv.create_model(TINY, weight_init="jax_nlhb", distilled=True, seed=0)
    for logits in model.forward_distilled(torch.randn(2, 1, 8, 8)):
        torch.testing.assert_close(logits, torch.full((2, 10), -math.log(10)))


XAVIER_MLP, XAVIER = math.sqrt(2 / (128 + 512)), math.sqrt(2 / (128 + 128))


@pytest.mark.parametrize(
    ("weight_init", "fc1", "qkv", "bias"),
    [
        ("", 0.02, 0.02, 0.0),
        ("jax", XAVIER_MLP, math.sqrt(2 / (128 + 384)), 1e-6),
        ("moco", XAVIER_MLP, XAVIER, 0.0),
        ("reset", 1 / math.sqrt(3 * 128), 1 / math.sqrt(3 * 128), 1 / math.sqrt(3 * 128)),
        ("skip", 1 / math.sqrt(3 * 128), 1 / math.sqrt(3 * 128), 1 / math.sqrt(3 * 128)),
    ],
)
def test_linear_layers_are_initialised_by_the_scheme(
    weight_init: str, fc1: float, qkv: float, bias: float
) -> None:
    model = tv.create_model(TINY, weight_init=weight_init, embed_dim=128, seed=0)
    block = model.get_submodule("blocks.1")
    tensors = (block.mlp.fc1.weight, block.attn.qkv.weight, block.mlp.fc1.bias)
    for tensor, deviation in zip(tensors, (fc1, qkv, bias), strict=True):
        assert tensor.std().item() == pytest.approx(deviation, rel=0.1)


def test_a_gate_is_open_at_first() -> None:
    model = tv.create_model(TINY, mlp_layer="swiglu_packed", seed=0)
    fc1 = model.get_submodule("blocks.0.mlp.fc1")
    first, second = fc1.weight.chunk(2)
    assert second.abs().max() < 1e-4 < first.std()
    assert fc1.bias.tolist() == [0.0] * 64 + [1.0] * 64


def test_deeper_outputs_are_initialised_smaller() -> None:
    model = tv.create_model(TINY, fix_init=True, depth=8, embed_dim=128, seed=0)
    deviations = [block.mlp.fc2.weight.std().item() for block in model.blocks]
    wanted = [0.02 / math.sqrt(2 * index) for index in range(1, 9)]
    assert deviations == pytest.approx(wanted, rel=0.05)


PEER_ORDER = {
    "deit_tiny_distilled_patch16_224": ("cls_token", "pos_embed", "dist_token"),
    "vit_dlittle_patch16_reg1_gap_256": (
        "blocks.0.attn.lambda_k2",
        "blocks.0.attn.qkv.weight",
        "blocks.0.attn.qkv.bias",
        "blocks.0.attn.proj.weight",
        "blocks.0.attn.proj.bias",
        "blocks.0.attn.sub_norm.weight",
        "blocks.0.ls1.gamma",
    ),
    "vit_dpwee_patch16_reg1_gap_256": ("blocks.0.out_proj.bias", "blocks.0.ls.gamma"),
    "vit_pwee_patch16_reg1_gap_256": ("blocks.0.mlp_out_proj.bias", "blocks.0.ls.gamma"),
}


@pytest.mark.parametrize("name", PEER_ORDER)
def test_parameters_stand_in_the_order_of_the_peer(name: str) -> None:
    wanted = PEER_ORDER[name]
    keys = [key for key, _ in tv.create_model(name, device="meta").named_parameters()]
    first = keys.index(wanted[0])
    assert tuple(keys[first : first + len(wanted)]) == wanted
