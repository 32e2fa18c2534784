"""What is particular to EVA and its relatives."""

from __future__ import annotations

import math

import pytest
import torch

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.eva.config import EvaConfig
from typedvision.families.eva.model import Eva
from typedvision.layers.mlp import GluMlp, Mlp, SwiGLU

TINY = EvaConfig(
    img_size=8, patch_size=2, in_chans=1, num_classes=10, embed_dim=32, depth=2, num_heads=4
)
ROPE = {"use_rot_pos_emb": True, "use_abs_pos_emb": False}
KINDS = [
    {"rope_type": "cat"},
    {"rope_type": "cat", "rope_rotate_half": True},
    {"rope_type": "dinov3", "rope_rotate_half": True},
    {"rope_type": "mixed"},
    {"rope_type": "mrope"},
]


def eva(**options: object) -> Eva:
    model = tv.create_model(TINY.replace(**options), dtype=torch.float64, seed=0)
    assert isinstance(model, Eva)
    with torch.no_grad():
        for parameter in model.parameters():  # what is initialised to zero would hide mistakes
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def images(height: int = 8, width: int = 8) -> torch.Tensor:
    return torch.randn(2, 1, height, width, dtype=torch.float64)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


CONFLICTS = [
    ({"num_heads": 5}, "embed_dim"),
    ({"attn_pool_num_heads": 5, "global_pool": "map"}, "embed_dim"),
    ({"num_kv_heads": (4, 4, 4)}, "depth"),
    ({"num_kv_heads": 3, "attn_type": "rope", "qkv_fused": False}, "num_heads"),
    ({"num_kv_heads": 2}, "attn_type"),
    ({"num_kv_heads": 2, "attn_type": "rope"}, "qkv_fused"),
    ({"num_heads": 16, **ROPE}, "rope_type"),
    ({"rope_rotate_half": True, "rope_type": "mixed", **ROPE}, "rope_type"),
    (
        {
            "num_kv_heads": 2,
            "attn_type": "rope",
            "qkv_fused": False,
            "rope_type": "mixed",
            **ROPE,
        },
        "rope_type",
    ),
    ({"rope_grid_indexing": "xy", "rope_type": "mrope", **ROPE}, "rope_type"),
    ({"qk_norm": True, "use_post_norm": True}, "use_post_norm"),
    ({"num_kv_heads": 4, "use_post_norm": True}, "use_post_norm"),
    ({"init_values": 1e-5, "use_post_norm": True}, "use_post_norm"),
    ({"attn_only_layer_scale": True, "use_post_norm": True}, "use_post_norm"),
    ({"mlp_ratio": 0.01}, "embed_dim"),
    ({"attn_pool_mlp_ratio": 0.01, "global_pool": "map"}, "embed_dim"),
    ({"global_pool": "token", "class_token": False}, "class_token"),
    ({"img_size": (8, 1)}, "patch_size"),
    ({"img_size": 9, "dynamic_img_pad": True}, "dynamic_img_pad"),
]


@pytest.mark.parametrize(("options", "other"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], other: str) -> None:
    assert f"'{other}'" in conflict(TINY, options)


def test_options_of_what_is_not_there_are_no_conflict() -> None:
    TINY.replace(rope_type="mixed", rope_rotate_half=True)  # no rotary positions at all
    TINY.replace(attn_pool_num_heads=5)  # no pooling by attention
    TINY.replace(num_kv_heads=(4, 4))  # as many as there are heads


def test_the_plan_counts_tokens_and_heads() -> None:
    cfg = TINY.replace(img_size=(8, 12), num_reg_tokens=3)
    assert (cfg.plan().grid, cfg.plan().prefix, cfg.plan().positions) == ((4, 6), 4, 28)
    assert cfg.replace(no_embed_class=True).plan().positions == 24
    assert cfg.replace(use_abs_pos_emb=False).plan().positions == 0
    grouped = cfg.replace(num_kv_heads=(4, 2), attn_type="rope", qkv_fused=False)
    assert [block.num_kv_heads for block in grouped.plan().blocks] == [4, 2]
    assert [block.num_kv_heads for block in cfg.plan().blocks] == [4, 4]


@pytest.mark.parametrize(
    ("options", "norms"),
    [
        ({}, (False, True)),
        ({"global_pool": "max"}, (True, False)),
        ({"global_pool": "token", "use_fc_norm": True}, (False, True)),
        ({"use_post_transformer_norm": True}, (True, True)),
        ({"use_post_transformer_norm": False, "use_fc_norm": False}, (False, False)),
    ],
)
def test_the_last_normalisation(options: dict[str, object], norms: tuple[bool, bool]) -> None:
    plan = TINY.replace(**options).plan()
    assert (plan.norm, plan.fc_norm) == norms


@pytest.mark.parametrize(
    ("options", "kind", "hidden"),
    [
        ({}, Mlp, 86),
        ({"swiglu_align_to": 8}, Mlp, 86),
        ({"swiglu_mlp": True}, GluMlp, 86),
        ({"swiglu_mlp": True, "scale_mlp": True}, SwiGLU, 86),
        ({"swiglu_mlp": True, "swiglu_align_to": 8}, SwiGLU, 88),
    ],
)
def test_kinds_of_mlp(options: dict[str, object], kind: type, hidden: int) -> None:
    mlp = eva(mlp_ratio=2.7, **options).blocks[0].mlp
    assert type(mlp) is kind
    assert mlp.fc2.in_features == hidden


def test_queries_and_values_have_a_bias_and_keys_none() -> None:
    fused, split = eva().blocks[0].attn, eva(qkv_fused=False).blocks[0].attn
    with torch.no_grad():
        for name, weight in zip("qkv", fused.qkv.weight.chunk(3), strict=True):
            getattr(split, f"{name}_proj").weight.copy_(weight)
        split.q_proj.bias.copy_(fused.q_bias)
        split.v_proj.bias.copy_(fused.v_bias)
        split.proj.load_state_dict(fused.proj.state_dict())
    x = torch.randn(2, 5, 32, dtype=torch.float64)
    torch.testing.assert_close(split(x), fused(x))
    assert split.k_proj.bias is None
    assert eva(qkv_fused=False, attn_type="rope").blocks[0].attn.k_proj.bias is not None


def test_groups_of_heads_share_keys_and_values() -> None:
    options = {"attn_type": "rope", "qkv_fused": False, "depth": 1, **ROPE}
    grouped, whole = eva(num_kv_heads=2, **options), eva(**options)
    state = grouped.state_dict()
    for name in ("k_proj", "v_proj"):
        for leaf in ("weight", "bias"):
            key = f"blocks.0.attn.{name}.{leaf}"
            heads = state[key].unflatten(0, (2, 8))
            state[key] = heads.repeat_interleave(2, dim=0).flatten(0, 1)
    whole.load_state_dict(state)
    x = images()
    torch.testing.assert_close(grouped(x), whole(x))


@pytest.mark.parametrize("kind", KINDS)
def test_rotary_embeddings_say_where_patches_are(kind: dict[str, object]) -> None:
    x = images()
    swapped = torch.cat((x[..., 4:], x[..., :4]), dim=-1)
    plain, rotary = eva(use_abs_pos_emb=False), eva(**ROPE, **kind)
    torch.testing.assert_close(plain(x), plain(swapped))  # a set of patches
    assert (rotary(x) - rotary(swapped)).abs().max() > 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_any_size_gets_the_positions_of_its_own(kind: dict[str, object]) -> None:
    model = eva(dynamic_img_size=True, **ROPE, **kind)
    fixed = eva(img_size=(4, 12), **ROPE, **kind)
    fixed.load_state_dict(model.state_dict())
    x = images(4, 12)
    torch.testing.assert_close(model(x), fixed(x))
    model = eva(**ROPE, **kind)
    model.load_state_dict(fixed.state_dict())
    model.set_input_size((4, 12))
    torch.testing.assert_close(model(x), fixed(x))
    assert model.spec.config == fixed.spec.config


def test_other_sizes_are_refused() -> None:
    with pytest.raises(tv.UsageError, match="set_input_size"):
        eva()(images(8, 10))
    with pytest.raises(tv.UsageError, match="multiples of 2 x 2"):
        eva(dynamic_img_size=True)(images(8, 9))
    assert eva(dynamic_img_size=True, dynamic_img_pad=True)(images(7, 9)).shape == (2, 10)


@pytest.mark.parametrize("kind", KINDS)
def test_patches_that_stay_keep_their_positions(kind: dict[str, object]) -> None:
    model = eva(patch_drop_rate=0.5, num_reg_tokens=1, **ROPE, **kind).train()
    x = images()
    assert model.forward_features(x).shape == (2, 2 + 8, 32)
    model.patch_drop.choose = lambda x: torch.arange(15, -1, -1).repeat(2, 1)
    logits = model(x)  # all of them, in another order
    torch.testing.assert_close(logits, eva_like(model)(x))


def eva_like(model: Eva) -> Eva:
    """A model with these weights that leaves nothing out."""
    twin = tv.create_model(model.spec, dtype=torch.float64)
    assert isinstance(twin, Eva)
    twin.load_state_dict(model.state_dict())
    return twin.eval()


@pytest.mark.parametrize("kind", KINDS)
def test_recomputed_blocks_give_the_same_gradients(kind: dict[str, object]) -> None:
    model, x = eva(**ROPE, **kind).train(), images()
    model(x).sum().backward()
    expected = {key: p.grad.clone() for key, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    model.set_grad_checkpointing()
    model(x).sum().backward()
    for key, gradient in expected.items():
        torch.testing.assert_close(model.get_parameter(key).grad, gradient)


def test_the_scale_of_the_attention_alone() -> None:
    block = eva(init_values=0.5, attn_only_layer_scale=True).blocks[0]
    assert block.gamma_1 is not None
    assert block.gamma_2 is None


def test_post_norm_blocks_normalise_what_is_added() -> None:
    block = eva(use_post_norm=True).blocks[0]
    x = torch.randn(1, 5, 32, dtype=torch.float64)
    y = x + block.norm1(block.attn(x))
    torch.testing.assert_close(block(x), y + block.norm2(block.mlp(y)))


def test_output_projections_and_the_classifier_are_initialised_small() -> None:
    model = tv.create_model(TINY.replace(embed_dim=256, head_init_scale=0.5), seed=0)
    assert isinstance(model, Eva)
    for index, block in enumerate(model.blocks):
        for weight in (block.attn.proj.weight, block.mlp.fc2.weight):
            expected = 0.02 / math.sqrt(2 * (index + 1))
            assert weight.std().item() == pytest.approx(expected, rel=0.05)
    assert model.head.weight.std().item() == pytest.approx(0.01, rel=0.1)
    unscaled = tv.create_model(TINY.replace(embed_dim=256, head_init_scale=0.0), seed=0)
    assert unscaled.get_classifier().weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_learned_frequencies_have_no_weight_decay() -> None:
    assert eva(**ROPE, rope_type="mixed").no_weight_decay() == {"cls_token", "rope.freqs"}
    assert eva(**ROPE).no_weight_decay() == {"cls_token"}


def test_learned_frequencies_learn_as_fast_as_the_head() -> None:
    model = eva(**ROPE, rope_type="mixed")
    last = tv.parameter_groups(model, lr=1.0, weight_decay=0.05, layer_decay=0.5)
    rates = {id(p): group["lr"] for group in last for p in group["params"]}
    assert rates[id(model.rope.freqs)] == rates[id(model.head.weight)] == 1.0
    assert rates[id(model.blocks[1].attn.proj.weight)] == 0.5


@pytest.mark.parametrize(
    ("options", "pool"),
    [
        ({}, "token"),
        ({"global_pool": "token"}, "avg"),
        ({"use_post_transformer_norm": True}, "max"),
        ({"use_post_transformer_norm": True, "global_pool": "max"}, "avg"),
        ({"use_post_transformer_norm": False}, "map"),
    ],
)
def test_another_pooling_gives_the_model_of_its_spec(options: dict[str, object], pool: str) -> None:
    model = eva(**options)
    model.reset_classifier(3, pool, seed=0)
    x = images()
    torch.testing.assert_close(eva_like(model)(x), model.eval()(x))
