"""Errors are data: each says what, where, and what instead."""

from __future__ import annotations

import json
import math
import pickle

import pytest

from typedvision import errors
from typedvision.errors import ConfigError, Problem, TypedVisionError, did_you_mean, listed

EVERY = [
    one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception)
]


def test_every_exception_is_ours_and_has_a_code_of_its_own() -> None:
    assert all(issubclass(one, TypedVisionError) for one in EVERY)
    assert len({one.code for one in EVERY}) == len(EVERY)


@pytest.mark.parametrize("error", EVERY)
def test_an_error_survives_another_process(error: type[TypedVisionError]) -> None:
    problem = Problem(("depth",), "range", "too deep", 9, (1, 2), ("width",))
    one = error("2 problems", [problem])
    other = pickle.loads(pickle.dumps(one))
    assert (type(other), other.summary, other.problems) == (error, "2 problems", (problem,))


def test_an_error_is_a_json_document() -> None:
    problem = Problem(("args", 2, "rate"), "range", "too much", math.nan, (0, 1), ("rat",))
    document = json.loads(ConfigError("1 problem", [problem]).to_json())
    assert document == {
        "error": "ConfigError",
        "code": "config",
        "summary": "1 problem",
        "problems": [
            {
                "path": ["args", 2, "rate"],
                "kind": "range",
                "message": "too much",
                "value": "float: nan",
                "allowed": [0, 1],
                "suggestions": ["rat"],
            }
        ],
    }


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, b"x", "x" * 10_000, [[]] * 10_000, {"a": math.inf}, 1j, 10**400]
)
def test_any_value_is_repeated_shortly(value: object) -> None:
    text = ConfigError("bad", [Problem((), "type", "wrong", value)]).to_json()
    assert len(text) < 700
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_it_prints_one_line_for_each_problem() -> None:
    problems = [Problem(("a", 0), "type", "no"), Problem((), "conflict", "never")]
    assert str(ConfigError("2 problems", problems)).splitlines() == [
        "[config] 2 problems",
        "  a[0]     type      no",
        "  (whole)  conflict  never",
    ]


@pytest.mark.parametrize(
    ("path", "text"),
    [((), "(whole)"), (("a",), "a"), (("a", "b"), "a.b"), (("a", 0, "b", 1), "a[0].b[1]")],
)
def test_a_path_reads_like_code(path: tuple[str | int, ...], text: str) -> None:
    assert Problem(path, "type", "").where() == text


NAMES = ["resnet18", "resnet50", "resnet50d", "resnet152", "vit_tiny_patch16_224", "rate"]


@pytest.mark.parametrize(
    ("word", "first"),
    [
        ("ResNet50", "resnet50"),
        ("resnet-50", "resnet50"),
        ("resnet 50", "resnet50"),
        ("resnet5O", "resnet50"),
        ("resnetl8", "resnet18"),
        ("RESNET_50_D", "resnet50d"),
        ("vit-tiny-patch16-224", "vit_tiny_patch16_224"),
        ("rat", "rate"),
    ],
)
def test_the_nearest_name_comes_first(word: str, first: str) -> None:
    assert did_you_mean(word, NAMES)[0] == first


def test_a_far_name_is_not_suggested() -> None:
    assert did_you_mean("mobilenet", NAMES) == ()
    assert did_you_mean("", NAMES) == ()
    assert len(did_you_mean("resnet50", NAMES, count=2)) == 2


def test_values_are_listed_as_in_a_sentence() -> None:
    assert listed([]) == ""
    assert listed(["a"]) == "'a'"
    assert listed(["a", 2]) == "'a' or 2"
    assert listed(["a", "b", "c"]) == "'a', 'b' or 'c'"
