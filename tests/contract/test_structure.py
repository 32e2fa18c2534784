"""What every published variant keeps, seen on a skeleton without weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

import typedvision as tv
from tests.contract.facts import FACTS, FOLDER, VARIANTS, peers_name
from tests.contract.filling import state_digest
from tests.contract.groups import outside_of_groups
from typedvision.architecture.image_model import ImageModel
from typedvision.registry import index
from typedvision.registry.family import AnyFamily


@pytest.fixture(scope="module", params=VARIANTS)
def model(request: pytest.FixtureRequest) -> ImageModel:
    """A skeleton of each variant, by way of JSON; built once for all tests of this module."""
    document = tv.specify(request.param).to_json()
    return tv.create_model(tv.ModelSpec.from_json(document), device="meta")


def test_it_is_what_the_peer_says(model: ImageModel) -> None:
    name = str(model.spec.variant)
    facts = FACTS.get(name)
    if facts is None:
        golden = FOLDER / f"{model.spec.family}.jsonl"
        assert not golden.exists(), f"no golden facts of {name}: run `python -m tools.golden`"
        return
    assert sum(parameter.numel() for parameter in model.parameters()) == facts["params"]
    assert state_digest(model) == facts["state"]
    assert model.num_features == facts["num_features"]
    assert model.head_hidden_size == facts["head_hidden_size"]
    levels = [
        [level.channels, level.stride, peers_name(level.name)] for level in model.feature_info
    ]
    assert levels == facts["levels"] or not facts["levels"]


def test_the_index_counts_its_parameters(model: ImageModel) -> None:
    row = index.rows()[model.spec.family]["variants"][str(model.spec.variant)]
    count = sum(parameter.numel() for parameter in model.parameters())
    assert row["params"] == count, "registry/index.json is stale: run `make generate`"


def test_it_holds_no_memory(model: ImageModel) -> None:
    tensors = [*model.parameters(), *model.buffers()]
    assert tensors
    assert all(tensor.is_meta for tensor in tensors)


def test_its_spec_its_row_and_its_module_say_the_same(model: ImageModel) -> None:
    name = str(model.spec.variant)
    row = index.family(model.spec.family).variants[name]
    assert model.spec == tv.specify(name)
    assert model.spec.digest() == tv.specify(name).digest()
    assert model.spec.config == row == tv.configure(name)
    assert model.num_classes == row.num_classes
    assert model.feature_info == row.features()


def test_its_parts_exist(model: ImageModel) -> None:
    cfg = model.spec.config
    parts = index.family(model.spec.family).parts(cfg)
    for path in parts.first_conv:
        assert model.get_submodule(path).weight.shape[1] == cfg.in_chans
    heads = [model.get_submodule(path) for path in parts.classifier]
    assert set(heads) <= set(model.get_classifier().modules())
    if cfg.num_classes:
        assert {head.weight.shape[0] for head in heads} == {cfg.num_classes}
    assert set(parts.patch_kernels) <= set(parts.first_conv)
    for table in parts.position_tables:
        assert model.get_parameter(table.path).shape[-2] >= math.prod(table.grid)
    for relative in parts.relative_tables:
        distances = math.prod(2 * side - 1 for side in relative.window)
        rows = model.get_parameter(relative.path).shape[0]
        assert rows - distances in (0, 3)  # three for a class token


def test_its_feature_levels_are_modules(model: ImageModel) -> None:
    for level in model.feature_info:
        assert model.get_submodule(level.name) is not None
        assert level.channels > 0
        assert level.stride > 0


@pytest.mark.parametrize("coarse", [False, True])
def test_its_groups_hold_all_but_the_head(model: ImageModel, coarse: bool) -> None:
    # Parameters stand in the order of the computation, so the head is at the end.
    names = [name for name, _ in model.named_parameters()]
    outside = outside_of_groups(model, coarse)
    assert outside == names[len(names) - len(outside) :]
    assert len(outside) < len(names)


def test_its_exceptions_from_weight_decay_are_parameters(model: ImageModel) -> None:
    assert model.no_weight_decay() <= {name for name, _ in model.named_parameters()}


def test_every_golden_fact_is_of_a_published_variant() -> None:
    assert set(FACTS) <= set(VARIANTS)
    assert {path.stem for path in FOLDER.glob("*.jsonl")} <= set(index.family_keys())


def test_a_schema_bounds_and_documents_everything(family: AnyFamily) -> None:
    schema = family.config_type().model_json_schema()
    assert list(_open_ends(family.key, schema, schema.get("$defs", {}))) == []


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


Schema = dict[str, Any]


def _open_ends(where: str, schema: Schema, nested: dict[str, Schema]) -> Iterator[str]:
    """What a JSON schema leaves without a bound or a description."""
    schema = nested[schema["$ref"].removeprefix("#/$defs/")] if "$ref" in schema else schema
    closed = schema.keys() & {"enum", "const"}
    match schema.get("type"):
        case "integer" | "number" if not closed:
            if not schema.keys() & {"minimum", "exclusiveMinimum"}:
                yield f"{where}: has no lower bound"
            if not schema.keys() & {"maximum", "exclusiveMaximum"}:
                yield f"{where}: has no upper bound"
        case "string" if not closed:
            yield f"{where}: is free text"
        case "array":
            if "maxItems" not in schema:
                yield f"{where}: has no greatest length"
            for item in [*schema.get("prefixItems", ()), *filter(None, [schema.get("items")])]:
                yield from _open_ends(f"{where}[]", item, nested)
        case "object":
            if schema.get("additionalProperties") is not False:
                yield f"{where}: takes unknown keys"
            for name, field in schema.get("properties", {}).items():
                target = nested.get(field.get("$ref", "").removeprefix("#/$defs/"), {})
                if not {**target, **field}.get("description"):
                    yield f"{where}.{name}: has no description"
                yield from _open_ends(f"{where}.{name}", field, nested)
        case None if "anyOf" not in schema and not closed:
            yield f"{where}: takes anything"
    for branch in schema.get("anyOf", ()):
        yield from _open_ends(where, branch, nested)


def test_an_open_end_is_seen() -> None:
    depth = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    args = {"$ref": "#/$defs/Args", "description": "Choices."}
    net = {"type": "object", "properties": {"depth": depth, "args": args}}
    nested = {"type": "object", "additionalProperties": False, "properties": {"x": {}}}
    assert list(_open_ends("net", net, {"Args": nested})) == [
        "net: takes unknown keys",
        "net.depth: has no description",
        "net.depth: has no lower bound",
        "net.depth: has no upper bound",
        "net.args.x: has no description",
        "net.args.x: takes anything",
    ]
