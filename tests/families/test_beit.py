"""What is particular to BEiT."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor

import typedvision as tv
from tests.conflicts import conflict
from typedvision.families.beit.config import BeitConfig
from typedvision.families.beit.model import Attention, Beit
from typedvision.layers.mlp import Mlp, SwiGLU
from typedvision.layers.position import (
    relative_position_index,
    relative_position_rows,
    resample_relative_table,
)

TINY = BeitConfig(
    img_size=16,
    patch_size=4,
    in_chans=1,
    num_classes=3,
    embed_dim=8,
    depth=2,
    num_heads=2,
    init_values=0.1,
)
TABLES = [
    {"use_rel_pos_bias": True},
    {"use_shared_rel_pos_bias": True},
    {"use_rel_pos_bias": True, "use_shared_rel_pos_bias": True},
    {},
]


def beit(**options: object) -> Beit:
    model = tv.create_model(TINY.replace(**options), dtype=torch.float64, seed=0)
    assert isinstance(model, Beit)
    with torch.no_grad():
        for parameter in model.parameters():  # what is initialised to zero would hide mistakes
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def images(height: int = 16, width: int = 16) -> Tensor:
    return torch.randn(2, 1, height, width, dtype=torch.float64)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


CONFLICTS = [
    ({"num_heads": 3}, "embed_dim"),
    ({"img_size": (16, 3)}, "patch_size"),
    ({"mlp_ratio": 0.1}, "embed_dim"),
]


@pytest.mark.parametrize(("options", "other"), CONFLICTS)
def test_options_that_exclude_each_other(options: dict[str, object], other: str) -> None:
    assert f"'{other}'" in conflict(TINY, options)


def test_the_plan_counts_tokens_and_distances() -> None:
    plan = TINY.replace(img_size=(8, 13), depth=3, drop_path_rate=0.2).plan()
    assert (plan.grid, plan.positions) == ((2, 3), 7)
    assert relative_position_rows(plan.grid, class_token=True) == 3 * 5 + 3
    assert [block.drop_path_rate for block in plan.blocks] == [0.0, 0.1, 0.2]
    assert [block.output_scale for block in plan.blocks] == pytest.approx(
        [1 / math.sqrt(2), 1 / 2, 1 / math.sqrt(6)]
    )


def test_the_class_token_has_three_relations_of_its_own() -> None:
    index = relative_position_index((2, 3), class_token=True)
    assert torch.equal(index[1:, 1:], relative_position_index((2, 3)))
    assert (index[0, 1:] == 15).all()
    assert (index[1:, 0] == 16).all()
    assert index[0, 0] == 17


def test_their_rows_stay_when_a_table_is_resampled() -> None:
    table = torch.arange(2.0 * (7 * 7 + 3)).reshape(-1, 2)
    wider = resample_relative_table(table, (4, 4), (4, 6))
    assert torch.equal(wider[7 * 11 :], table[7 * 7 :])
    assert torch.equal(wider[: 7 * 11], resample_relative_table(table[: 7 * 7], (4, 4), (4, 6)))


@pytest.mark.parametrize("tables", TABLES)
def test_a_token_sees_all_and_the_bias_of_their_relation(tables: dict[str, object]) -> None:
    model = beit(**tables)
    attention = model.get_submodule("blocks.1.attn")
    assert isinstance(attention, Attention)
    assert attention.q_bias is not None
    assert attention.v_bias is not None
    index = relative_position_index((4, 4), class_token=True)
    bias = torch.zeros(2, 17, 17, dtype=torch.float64)
    for key, table in model.named_parameters():
        if key.endswith("relative_position_bias_table") and not key.startswith("blocks.0"):
            bias += table[index].permute(2, 0, 1)
    x = torch.randn(1, 17, 8, dtype=torch.float64)
    q, k, v = attention.qkv(x)[0].chunk(3, dim=-1)
    q, v = q + attention.q_bias, v + attention.v_bias
    q, k, v = (part.reshape(17, 2, 4).transpose(0, 1) for part in (q, k, v))
    weights = (q @ k.mT / 2 + bias).softmax(-1)
    expected = attention.proj((weights @ v).transpose(0, 1).flatten(1))
    shared = None
    if model.rel_pos_bias is not None:
        shared = model.rel_pos_bias(model.relative_position_index)
    found = attention(x, model.relative_position_index, shared)
    torch.testing.assert_close(found[0], expected)


def test_all_tables_have_one_index() -> None:
    buffers = dict(beit(**TABLES[2]).named_buffers())
    assert list(buffers) == ["relative_position_index"]
    assert "relative_position_index" not in beit(**TABLES[2]).state_dict()
    assert list(beit().buffers()) == []


@pytest.mark.parametrize("tables", TABLES)
def test_every_kind_of_table_is_exported_compiled_and_recomputed(tables: dict[str, object]) -> None:
    model, x = beit(**tables), images()
    wanted = model(x)
    torch.testing.assert_close(torch.export.export(model, (x,)).module()(x), wanted)
    torch.compiler.reset()
    compiled = torch.compile(copy.deepcopy(model), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), wanted)
    gradients = []
    for enable in (False, True):
        model.train().zero_grad()
        model.set_grad_checkpointing(enable)
        model(x).square().mean().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert one is not None
        assert one.any()
        torch.testing.assert_close(one, other)


def test_the_mean_leaves_out_the_class_token() -> None:
    x = torch.randn(2, 17, 8, dtype=torch.float64)
    mean, first = beit(num_classes=0), beit(num_classes=0, global_pool="token")
    torch.testing.assert_close(mean.forward_head(x), mean.fc_norm(x[:, 1:].mean(1)))
    torch.testing.assert_close(first.forward_head(x), x[:, 0])


@pytest.mark.parametrize(
    ("options", "behind"),
    [
        ({}, True),
        ({"global_pool": "token"}, False),
        ({"global_pool": ""}, False),
        ({"use_fc_norm": False}, False),
        ({"global_pool": "token", "use_fc_norm": True}, True),
    ],
)
def test_the_last_normalisation_stands_on_one_side(
    options: dict[str, object], behind: bool
) -> None:
    model = beit(**options)
    assert (list(model.fc_norm.parameters()) != []) is behind
    assert (list(model.norm.parameters()) == []) is behind


def test_another_pooling_takes_the_normalisation_along() -> None:
    model, x = beit(), images()
    weight = model.fc_norm.weight
    model.reset_classifier(5, "token")
    assert model.norm.weight is weight
    rebuilt = tv.create_model(model.spec, dtype=torch.float64).eval()
    rebuilt.load_state_dict(model.state_dict())
    torch.testing.assert_close(rebuilt(x), model(x))


def test_mlps_are_gated_and_normalised() -> None:
    plain, gated = beit().blocks[0].mlp, beit(swiglu_mlp=True, scale_mlp=True).blocks[0].mlp
    assert isinstance(plain, Mlp)
    assert isinstance(gated, SwiGLU)
    assert list(plain.norm.parameters()) == []
    assert gated.norm.weight.shape == (32,)


def test_without_biases_and_scales_there_are_no_such_tensors() -> None:
    names = {
        name.rpartition(".")[2] for name in beit(qkv_bias=False, init_values=None).state_dict()
    }
    assert names.isdisjoint({"q_bias", "v_bias", "gamma_1", "gamma_2"})
    assert beit(qkv_bias=False, init_values=None)(images()).isfinite().all()


def test_the_classifier_is_initialised_small() -> None:
    options = {"embed_dim": 64, "num_classes": 100}
    small = tv.create_model(TINY, seed=0, **options).state_dict()["head.weight"]
    usual = tv.create_model(TINY, seed=0, head_init_scale=1.0, **options).state_dict()[
        "head.weight"
    ]
    torch.testing.assert_close(small, usual * 0.001)
    assert 0.018 < usual.std() < 0.022


@pytest.mark.parametrize("tables", TABLES)
@pytest.mark.parametrize("absolute", [True, False])
def test_tables_and_patches_follow_the_size(tables: dict[str, object], absolute: bool) -> None:
    model = beit(use_abs_pos_emb=absolute, **tables)
    with pytest.raises(tv.UsageError, match=r"16 x 16 pixels; got 24 x 16.*set_input_size"):
        model(images(24, 16))
    model.set_input_size((24, 32), patch_size=8)
    config = model.spec.config
    assert config == TINY.replace(
        use_abs_pos_emb=absolute, img_size=(24, 32), patch_size=8, **tables
    )
    rebuilt = tv.create_model(model.spec, dtype=torch.float64).eval()
    rebuilt.load_state_dict(model.state_dict())
    x = images(24, 32)
    torch.testing.assert_close(rebuilt(x), model(x))
    assert rebuilt.feature_info == model.feature_info
    before = model.state_dict()
    model.set_input_size()
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    with pytest.raises(tv.ConfigError, match="patch_size"):
        model.set_input_size(7)
    assert model.spec.config == config
