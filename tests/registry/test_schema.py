"""The JSON Schema takes what `from_json` takes, and refuses each mistake in one field."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import typedvision as tv
from tests.contract.conftest import of_each_base
from tests.contract.facts import THOROUGH
from typedvision.config.weights import WeightsLock
from typedvision.registry import index
from typedvision.registry.family import AnyFamily

FAMILIES = index.family_keys()

# Wrong for some field, each; a whole float is left out, since JSON Schema takes it as an integer.
WRONG = (None, True, "x", "", -1, 0, 1.5, 10**9, [], [1], ["x"] * 5, {}, {"x": 1})
# Of what depends on two fields, and of texts in texts, no schema says anything.
SAID_BY_SCHEMA = {"type", "range", "unknown", "missing", "choice", "length", "value"}

Path = tuple[str | int, ...]


@cache
def whole() -> dict[str, Any]:
    """The schema of every family."""
    return tv.ModelSpec.json_schema()


@cache
def rules() -> dict[str, dict[str, Any]]:
    """What the schema says of each family."""
    return {rule["if"]["properties"]["family"]["const"]: rule for rule in whole()["allOf"]}


@cache
def validator() -> Draft202012Validator:
    """Of the whole schema."""
    return Draft202012Validator(whole())


def place(document: Any, path: Path) -> Any:
    for part in path:
        document = document[part]
    return document


def resolved(schema: dict[str, Any]) -> Any:
    """The schema itself, with what it refers to."""
    reference = schema.get("$ref")
    return {**place(whole(), tuple(reference.split("/")[1:])), **schema} if reference else schema


def paths(value: object, path: Path = ()) -> Iterator[Path]:
    """The path of each value inside of a document."""
    items = value.items() if isinstance(value, dict) else ()
    items = list(enumerate(value))[:2] if isinstance(value, list) else items  # the rest is alike
    for key, child in items:
        yield (*path, key)
        yield from paths(child, (*path, key))


MANY = 100 if THOROUGH else 40  # fields: nested rows are alike, so of more some are drawn


def corruptions(
    document: dict[str, object], chance: Random | None = None
) -> Iterator[tuple[str, dict[str, object]]]:
    """The document with one field wrong, missing or too many, and what was done to it.

    With `chance`, two wrong values are tried for each field, and not all, of so many fields.
    """
    every = list(paths(document))
    for path in chance.sample(every, min(MANY, len(every))) if chance else every:
        if path[0] == "metadata" and len(path) > 1:
            continue
        *above, last = path
        for wrong in chance.sample(WRONG, 2) if chance else WRONG:
            changed = copy.deepcopy(document)
            place(changed, tuple(above))[last] = wrong
            yield f"{path} = {wrong!r}", changed
        changed = copy.deepcopy(document)
        del place(changed, tuple(above))[last]
        yield f"del {path}", changed
        if isinstance(place(document, path), dict) and path != ("metadata",):
            changed = copy.deepcopy(document)
            place(changed, path)["no_such_option"] = None
            yield f"{path}.no_such_option", changed
    yield "no_such_key", {**document, "no_such_key": 1}
    yield "$schema", {**document, "$schema": 1}


def refusal(document: dict[str, object]) -> set[str]:
    """The kinds of the problems that `from_dict` has with a document."""
    try:
        tv.ModelSpec.from_dict(document)
    except tv.SpecError as error:
        return {problem.kind for problem in error.problems}
    return set()


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(whole())
    assert json.loads(json.dumps(whole())) == whole()


@of_each_base
def test_a_lock_is_checked(family: AnyFamily) -> None:
    name = tv.list_models(family=family.key, tags=True)[0]
    lock = WeightsLock(revision="a" * 40, size=3, sha256="b" * 64)
    document = tv.specify(name).replace(lock=lock).to_dict()
    assert validator().is_valid(document)
    wrong = [
        {**document, **changed}
        for what, changed in corruptions({"lock": document["lock"]})
        if what.startswith(("('lock'", "del ('lock', "))
    ]
    taken = [changed["lock"] for changed in wrong if validator().is_valid(changed)]
    assert len(wrong) > 30
    assert [lock and lock["size"] for lock in taken] == [None, 10**9]


@pytest.mark.parametrize("key", FAMILIES)
def test_every_published_spec_fits(key: str) -> None:
    for name in tv.list_models(family=key):
        document = json.loads(tv.specify(name).to_json(schema="spec.schema.json"))
        assert validator().is_valid(document), name


@of_each_base
def test_the_schema_and_the_library_agree_on_one_field(family: AnyFamily) -> None:
    specs = [tv.specify(name).to_dict() for name in tv.list_models(family=family.key)]
    document = min(specs, key=lambda spec: len(str(spec)))
    taken = refused = 0
    for what, changed in corruptions(document, Random(family.key)):
        kinds = refusal(changed)
        if not kinds:
            taken += 1
            assert validator().is_valid(changed), what
        elif kinds & SAID_BY_SCHEMA:
            refused += 1
            assert not validator().is_valid(changed), what
    assert taken > 10
    assert refused > 30


@pytest.mark.parametrize("key", FAMILIES)
def test_every_option_has_its_words_and_its_default(key: str) -> None:
    config = resolved(rules()[key]["then"]["properties"]["config"])
    fields = tv.family(key).config_type().model_fields
    assert set(config["properties"]) == set(fields)
    assert config["additionalProperties"] is False
    assert set(config.get("required", ())) == {
        name for name, field in fields.items() if field.is_required()
    }
    for name, option in config["properties"].items():
        described = resolved(option)
        assert described["description"], name
        assert "title" in described, name
        assert "default" in option or name in config["required"], name


def test_the_config_of_another_family_does_not_fit() -> None:
    document = tv.specify(tv.list_models(family="resnet")[0]).to_dict()
    assert not validator().is_valid({**document, "family": "vit"})
    assert not validator().is_valid({**document, "family": "resnot"})
    del document["family"]
    assert not validator().is_valid(document)


def test_names_of_models_are_offered() -> None:
    for key, rule in rules().items():
        offered = rule["then"]["properties"]["variant"]["examples"]
        assert offered == list(tv.family(key).variants)
