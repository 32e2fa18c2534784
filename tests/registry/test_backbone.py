"""The spec of a backbone: a strict document around the document of a model."""

from __future__ import annotations

import json

import pytest

import typedvision as tv
from typedvision.registry.backbone import parse_spec

MODEL = tv.specify("resnet50", in_chans=1)


def spec(*indices: int, **fields: object) -> tv.BackboneSpec:
    return tv.BackboneSpec.from_options({"model": MODEL, "out_indices": indices, **fields})


def document(**changes: object) -> dict[str, object]:
    return {**spec(1, 3).to_dict(), **changes}


def refused(given: object) -> list[tuple[str, str]]:
    """Where and how a document is refused."""
    with pytest.raises(tv.SpecError) as caught:
        tv.BackboneSpec.from_json(json.dumps(given))
    return [(problem.where(), problem.kind) for problem in caught.value.problems]


def test_it_knows_its_levels() -> None:
    found = spec(3, 1)
    assert found.names == ("layer3", "layer1")
    assert found.channels == (1024, 256)
    assert found.strides == (16, 4)
    assert found.levels == (MODEL.config.features()[3], MODEL.config.features()[1])


def test_the_document_holds_the_models_own() -> None:
    assert spec(1, output_fmt="NLC").to_dict() == {
        "schema_version": 1,
        "model": MODEL.to_dict(),
        "out_indices": [1],
        "output_fmt": "NLC",
    }


def test_every_way_of_writing_gives_the_same_spec() -> None:
    wanted = spec(1, 4)
    for other in (
        spec(-4, -1),
        spec(1, 4, output_fmt="NCHW"),
        tv.BackboneSpec.from_json(wanted.to_json()),
        tv.BackboneSpec.from_json(wanted.to_json(schema="./x.json")),
        parse_spec(wanted.canonical()),
        tv.BackboneSpec(model=tv.specify("resnet50"), out_indices=(1, 4)).with_options(in_chans=1),
    ):
        assert other == wanted
        assert hash(other) == hash(wanted)
        assert other.digest() == wanted.digest()


@pytest.mark.parametrize("other", [spec(4, 1), spec(1), spec(1, 4, output_fmt="NHWC"), MODEL, None])
def test_another_backbone_has_another_spec(other: object) -> None:
    assert spec(1, 4) != other


def test_a_document_is_one_of_the_two() -> None:
    assert parse_spec(MODEL.to_json()) == MODEL
    assert isinstance(parse_spec(spec(1).to_json()), tv.BackboneSpec)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"out_indices": [5]}, ("out_indices", "conflict")),
        ({"out_indices": [-6]}, ("out_indices", "conflict")),
        ({"out_indices": [1, 1]}, ("out_indices", "conflict")),
        ({"out_indices": [1, -4]}, ("out_indices", "conflict")),
        ({"out_indices": []}, ("out_indices", "length")),
        ({"out_indices": 1}, ("out_indices", "type")),
        ({"out_indices": [True]}, ("out_indices[0]", "type")),
        ({"out_indices": [1.0]}, ("out_indices[0]", "type")),
        ({"out_indices": [10**9]}, ("out_indices[0]", "range")),
        ({"output_fmt": "NHCW"}, ("output_fmt", "choice")),
        ({"model": 3}, ("model", "type")),
        ({"model": {**MODEL.to_dict(), "family": "resnot"}}, ("model.family", "unknown")),
        ({"schema_version": 0}, ("schema_version", "choice")),
        ({"levels": [1]}, ("levels", "unknown")),
    ],
)
def test_what_is_wrong_is_found(changes: dict[str, object], problem: tuple[str, str]) -> None:
    assert refused(document(**changes)) == [problem]


@pytest.mark.parametrize("key", ["schema_version", "model", "out_indices"])
def test_what_is_missing_is_found(key: str) -> None:
    given = document()
    del given[key]
    assert refused(given) == [(key, "missing")]


def test_all_problems_come_at_once() -> None:
    model = {**MODEL.to_dict(), "config": {"block": "basic", "layer": 3}}
    found = refused(document(model=model, out_indices="13", more=1))
    assert set(found) == {
        ("model.config.layer", "unknown"),
        ("model.config.layers", "missing"),
        ("out_indices", "type"),
        ("more", "unknown"),
    }


def test_an_error_lists_the_choices() -> None:
    with pytest.raises(tv.ConfigError) as caught:
        spec(7, 1, -9)
    (problem,) = caught.value.problems
    assert problem.allowed == (0, 1, 2, 3, 4)
    assert problem.message == (
        "'out_indices' has 7, -9, which the model does not have: "
        "choose from 0 ('act1') to 4 ('layer4')"
    )


def test_the_document_of_the_other_kind_is_told() -> None:
    with pytest.raises(tv.SpecError, match="is of a backbone: BackboneSpec reads it"):
        tv.ModelSpec.from_dict(document())
    with pytest.raises(tv.SpecError, match="is of a model: ModelSpec reads it"):
        tv.BackboneSpec.from_dict(MODEL.to_dict())
