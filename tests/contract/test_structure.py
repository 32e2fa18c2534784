"""What every published variant keeps, seen on a meta-device model."""

from __future__ import annotations

import hashlib
import math
import re

import pytest
from torch import nn

import typedvision as tv
from tests.contract.facts import FACTS, FAMILIES, ROWS, VARIANTS
from tests.contract.filling import state_digest
from tests.contract.groups import outside_of_groups
from typedvision.architecture.build import fewest_modules
from typedvision.architecture.image_model import ImageModel
from typedvision.registry import index
from typedvision.registry.family import AnyFamily
from typedvision.testing.checks import open_ends

GOLDEN = [name for name in VARIANTS if name in FACTS]
"""Those of a family that is only declared yet have no facts."""


@pytest.fixture(scope="module")
def model(request: pytest.FixtureRequest) -> ImageModel:
    """The meta-device model of a variant, by way of JSON."""
    document = tv.specify(request.param).to_json()
    return tv.create_model(tv.ModelSpec.from_json(document), device="meta")


@pytest.mark.parametrize("model", GOLDEN, indirect=True)
def test_it_is_what_the_peer_says(model: ImageModel) -> None:
    name, parameters = str(model.spec.variant), dict(model.named_parameters())
    facts = FACTS[name]
    count = sum(parameter.numel() for parameter in parameters.values())
    assert count == facts["params"]
    indexed = index.rows()[model.spec.family]["variants"][name]["params"]
    assert indexed == count, "registry/index.json is stale: run `make generate`"
    assert state_digest(model) == facts["state"]
    assert model.num_features == facts["num_features"]
    assert model.head_hidden_size == facts["head_hidden_size"]
    levels = [[level.channels, level.stride, _stage(level.name)] for level in model.feature_info]
    own = NAMED_OTHERWISE.get(model.spec.family, {})
    assert (
        levels
        == [
            [channels, stride, own.get(f"{name}/{stride}") or own.get(name) or _own_name(name)]
            for channels, stride, name in facts["levels"]
        ]
        or not facts["levels"]
    )
    assert hashlib.sha256("\n".join(parameters).encode()).hexdigest() == facts["order"]


BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
NAMED_OTHERWISE = {
    "coat": {f"parallel_blocks/{8 * 2**n}": f"scales.{n}" for n in range(3)},
    "hrnet": {"stem": "act1", **{f"stage{n + 1}": f"incre_modules.{n}" for n in range(4)}},
    "mobilenetv5": {"bn1": "conv_stem"},
    "mvitv2": {f"block.{n}": f"stages.{n}" for n in range(4)},
    "twins": {f"block.{n}": f"blocks.{n}" for n in range(4)},
}
"""Our modules that give the levels, by the peer's names, where these are no modules, or, with the
stride, one module for several levels."""


def _stage(level: str) -> str:
    """A level's module; the peer names those of several branches by their stage alone, and some of
    an encoder as if there were no classifier around it."""
    return re.sub(r"^(blocks\.\d+)\.blocks\.\d+$", r"\1", level.removeprefix("encoder."))


def _own_name(level: str) -> str:
    """Our module that gives a level: the peer's normalisations `bn1` and `norm0` hold activations,
    which are modules of their own here, `act1` and `act0`."""
    return re.sub(
        r"(^|^features\.|^stem\.)(?:bn|norm)(?=\d*$)", r"\1act", level.removeprefix("encoder.")
    )


@pytest.mark.parametrize("model", VARIANTS, indirect=True)
def test_its_spec_its_row_and_the_index_agree(model: ImageModel) -> None:
    name = str(model.spec.variant)
    row = index.family(model.spec.family).variants[name]
    spec = tv.specify(name)
    assert model.spec == spec
    assert model.spec.digest() == spec.digest()
    assert model.spec.config == row == tv.configure(name)
    assert model.num_classes == row.num_classes
    assert model.feature_info == row.features()


@pytest.mark.parametrize("model", VARIANTS, indirect=True)
def test_its_modules_are_those_that_are_told(model: ImageModel) -> None:
    parameters = dict(model.named_parameters())
    assert parameters
    assert all(tensor.is_meta for tensor in (*parameters.values(), *model.buffers()))
    assert_parts(model)
    modules = [*model.modules()]
    assert fewest_modules(model.spec.config) <= len(modules)
    assert not [module for module in modules if is_narrow(module)]  # see NarrowConv2d
    norms = {type(module) for module in modules if isinstance(module, BATCH_NORMS)}
    assert norms <= set(BATCH_NORMS)  # so that tools may put others in their place
    for level in model.feature_info:
        assert model.get_submodule(level.name) is not None
        assert level.channels > 0
        assert level.stride > 0
    # Parameters stand in the order of the computation, so what no group takes is at the end; but
    # VOLO's second classifier comes before the last normalisation, and a bias that all blocks share
    # and the weights of EfficientViM's classifiers before the first of them.
    names = list(parameters)
    assert model.no_weight_decay() <= set(names)
    for coarse in (False, True):
        outside = [
            name
            for name in outside_of_groups(model, names, coarse)
            if not name.startswith(("shared_rel_pos.", "weights"))
        ]
        end = names[names.index(outside[0]) :] if outside else []
        assert all(name.startswith("norm.") for name in end if name not in outside)


def is_narrow(module: nn.Module) -> bool:
    """Whether this is a strided 1x1 convolution of a few channels, and PyTorch's own."""
    return (
        type(module) is nn.Conv2d
        and module.kernel_size == (1, 1)
        and module.stride > (1, 1)
        and module.padding == (0, 0)
        and module.in_channels < 8
    )


def assert_parts(model: ImageModel) -> None:
    """The modules and tensors that loading adapts exist, and are as large as the config says."""
    cfg = model.spec.config
    parts = index.family(model.spec.family).parts(cfg)
    for path in parts.first_conv:
        assert model.get_submodule(path).weight.shape[1] == cfg.in_chans * parts.stacked_pixels
    heads = [model.get_submodule(path) for path in parts.classifier]
    assert set(heads) <= set(model.get_classifier().modules())
    classes = {head.weight.shape[0] for head in heads if hasattr(head, "weight")}
    assert classes == ({cfg.num_classes} if cfg.num_classes else set())
    assert set(parts.patch_kernels) <= set(parts.first_conv)
    for table in parts.position_tables:
        assert model.get_parameter(table.path).shape[-2] >= math.prod(table.grid)
    for relative in parts.relative_tables:
        shape = model.get_parameter(relative.path).shape
        rows = shape[0] if len(shape) == 2 else math.prod(shape[1:])  # a map for each head
        assert rows - relative.distances in (0, 3)  # three for a class token
    for path in parts.distance_tables:
        distances = model.get_parameter(path).shape[1]
        assert math.isqrt(distances) ** 2 == distances
    assert all(model.get_parameter(path).shape[0] % 2 == 1 for path in parts.axis_tables)


def test_golden_facts_are_of_all_variants_of_their_families() -> None:
    assert ROWS.keys() <= set(index.family_keys())
    variants = {name for key in ROWS for name in index.family(key).variants}
    assert sorted(FACTS) == sorted(variants), "run `python -m tools.golden`"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.key)
def test_what_equals_an_integer_is_none(family: AnyFamily) -> None:
    row = next(iter(family.variants.values()))
    properties = family.config_type().model_json_schema()["properties"]
    whole = [
        name
        for name, field in properties.items()
        if field.get("type") == "integer" and type(getattr(row, name)) is int
    ]
    assert {"num_classes", "in_chans"} <= set(whole)
    for name in whole:
        for look_alike in (float(getattr(row, name)), True):
            with pytest.raises(tv.ConfigError, match="must be an integer"):
                row.replace(**{name: look_alike})


def test_an_open_end_is_seen() -> None:
    depth = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    args = {"$ref": "#/$defs/Args", "description": "Choices."}
    net = {"type": "object", "properties": {"depth": depth, "args": args}}
    nested = {"type": "object", "additionalProperties": False, "properties": {"x": {}}}
    assert list(open_ends(("net",), net, {"Args": nested})) == [
        (("net",), "takes unknown keys"),
        (("net", "depth"), "has no description"),
        (("net", "depth"), "has no lower bound"),
        (("net", "depth"), "has no upper bound"),
        (("net", "args", "x"), "has no description"),
        (("net", "args", "x"), "takes anything"),
    ]
