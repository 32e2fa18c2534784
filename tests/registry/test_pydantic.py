"""Specs and configs are fields of others' Pydantic models like any other."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

import typedvision as tv
from typedvision.configs import ResNetConfig

SPEC = tv.specify("resnet18", num_classes=3)
BACKBONE = tv.BackboneSpec(model=SPEC, out_indices=(0, -1))


class Job(BaseModel):
    """Somebody's own model."""

    spec: tv.ModelSpec
    backbone: tv.BackboneSpec | None = None
    config: ResNetConfig | None = None
    any_config: tv.ModelConfig | None = None


WHOLE = Job(spec=SPEC, backbone=BACKBONE, config=SPEC.config, any_config=SPEC.config)


def test_they_come_back_from_dicts_and_json() -> None:
    document = {
        "spec": SPEC.to_dict(),
        "backbone": BACKBONE.to_dict(),
        "config": {"block": "basic", "layers": [1, 1, 1, 1]},
    }
    for job in (Job.model_validate(document), Job.model_validate_json(json.dumps(document))):
        assert job.spec == SPEC
        assert job.backbone == BACKBONE
        assert isinstance(job.config, ResNetConfig)
        assert job.config.layers == (1, 1, 1, 1)


def test_they_are_written_whole() -> None:
    for document in (WHOLE.model_dump(mode="json"), json.loads(WHOLE.model_dump_json())):
        for config in (document["spec"]["config"], document["config"], document["any_config"]):
            assert config.keys() == ResNetConfig.model_fields.keys()
    again = Job.model_validate_json(WHOLE.model_dump_json(exclude={"any_config"}))
    assert (again.spec, again.backbone, again.config) == (SPEC, BACKBONE, SPEC.config)


def test_a_config_of_any_family_is_held_as_it_is() -> None:
    other = tv.configure("test_vit")
    assert Job(spec=SPEC, any_config=other).any_config == other
    with pytest.raises(ValidationError, match="layers"):  # one that nobody has validated
        Job(spec=SPEC, any_config=SPEC.config.model_copy(update={"layers": (1,)}))


def test_problems_stand_where_they_are_in_the_document() -> None:
    document = SPEC.to_dict()
    document["config"] = {**SPEC.config.model_dump(), "num_clases": 3, "drop_rate": 5.0}
    with pytest.raises(ValidationError) as caught:
        Job.model_validate({"spec": document})
    found = {error["loc"]: (error["type"], error["msg"]) for error in caught.value.errors()}
    assert found == {
        ("spec", "config", "num_clases"): (
            "unknown",
            "no such option; did you mean 'num_classes'?",
        ),
        ("spec", "config", "drop_rate"): ("range", "must be at most 1.0; got 5.0"),
    }


def test_an_unknown_family_is_told() -> None:
    with pytest.raises(ValidationError, match="conflicting fields"):
        Job.model_validate({"spec": {**SPEC.to_dict(), "family": "resnot"}})


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_their_schema_is_the_real_one(mode: str) -> None:
    schema = Job.model_json_schema(mode=mode)  # type: ignore[arg-type]
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    document = {"spec": SPEC.to_dict(), "backbone": None, "config": None, "any_config": None}
    assert validator.is_valid(document)
    for wrong in ({"num_clases": 3}, {"drop_rate": 5.0}, {"layers": [1]}):
        config = {**SPEC.config.model_dump(mode="json"), **wrong}
        assert not validator.is_valid({**document, "spec": {**SPEC.to_dict(), "config": config}})
