"""The JSON Schema of specs, so that an editor checks and completes them."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from typedvision.registry import index
from typedvision.registry.spec import ModelSpec

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def spec_schema() -> dict[str, object]:
    """The JSON Schema of the documents that `ModelSpec.from_json` reads.

    `family` decides by which schema `config` is checked. What depends on two fields no schema says:
    a document may fit and still be refused.
    """
    families = {key: index.family(key) for key in index.family_keys()}
    models: list[type[BaseModel]] = [ModelSpec, *(one.config_type() for one in families.values())]
    references, document = models_json_schema([(model, "validation") for model in models])
    definitions = document["$defs"]
    spec = definitions.pop(_name(references[ModelSpec, "validation"]))
    fields = spec["properties"]
    del definitions[_name(fields["config"])]  # the abstract one; a family has its own
    fields["family"]["enum"] = list(families)
    fields["config"] = {"type": "object", "description": fields["config"]["description"]}
    of_each_family = [
        {
            "if": {"properties": {"family": {"const": key}}, "required": ["family"]},
            "then": {
                "properties": {
                    "config": references[family.config_type(), "validation"],
                    "variant": {"examples": list(family.variants)},
                }
            },
        }
        for key, family in families.items()
    ]
    return {
        "$schema": DIALECT,
        "title": "Model spec",
        "description": "Everything that rebuilds a model of images, for typedvision.",
        "type": "object",
        "properties": {
            "$schema": {"type": "string", "description": "Where editors find this schema."},
            **fields,
        },
        "required": ["schema_version", "family", "config"],
        "additionalProperties": False,
        "allOf": of_each_family,
        "$defs": definitions,
    }


def _name(reference: Mapping[str, str]) -> str:
    return reference["$ref"].removeprefix("#/$defs/")
