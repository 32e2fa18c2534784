"""A family's declaration is checked, registered and sealed when its class statement runs."""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import typedvision as tv
from tests.toys import OtherConfig, Toy, ToyConfig, declare
from typedvision.config.base import ModelConfig
from typedvision.registry import family as declaration
from typedvision.registry.family import RESERVED_OPTIONS, ModelFamily
from typedvision.registry.index import registered

pytestmark = pytest.mark.usefixtures("registry")


def refused(**changes: object) -> list[tuple[str, str]]:
    """Where and how a declaration is refused."""
    with pytest.raises(tv.DeclarationError) as caught:
        declare(**changes)
    assert "toy" not in registered
    assert "ToyFamily" in caught.value.summary
    return [(problem.where(), problem.message) for problem in caught.value.problems]


def config_with(**fields: object) -> type[ModelConfig]:
    return type("BrokenConfig", (ModelConfig,), {"__annotations__": fields, "__module__": __name__})


def test_a_complete_declaration_is_registered() -> None:
    family = declare()
    assert registered["toy"] is family
    assert tv.family("toy") is tv.family("toy_small") is family
    assert family.config_type() is ToyConfig


@pytest.mark.parametrize("name", ["key", "title", "paper", "capabilities", "variants"])
def test_a_missing_line_is_asked_for(name: str) -> None:
    assert refused(**{name: None}) == [(name, f"write `{name} = ...`")]


@pytest.mark.parametrize("name", ["build", "parts"])
def test_a_missing_method_is_asked_for(name: str) -> None:
    assert refused(**{name: None}) == [(name, f"write `@classmethod def {name}(cls, cfg)`")]


@pytest.mark.parametrize("key", ["Toy", "toy-net", "_toy", "toy_", "", "t\u00f6y", 3])
def test_a_key_is_lower_case_words(key: object) -> None:
    assert refused(key=key) == [("key", f"must be lower-case words joined by '_'; got {key!r}")]


def test_a_key_is_the_folders_name() -> None:
    assert refused(__module__="elsewhere.other.family") == [
        ("key", "must be the folder's name 'other'; got 'toy'")
    ]


def test_a_key_is_taken_once() -> None:
    first = declare()
    with pytest.raises(tv.DeclarationError, match=r"'toy' is taken by elsewhere\.toy\.family"):
        declare(__qualname__="Another")
    assert registered["toy"] is first
    assert declare() is registered["toy"]  # the same class again: its module was reloaded


def test_a_config_is_named() -> None:
    wanted = "write `class TheFamily(ModelFamily[TheConfig, 'TheModel'])`"
    assert ("config", wanted) in refused(base=ModelFamily)
    assert ("config", wanted) in refused(base=ModelFamily[ModelConfig, Toy])


def test_every_field_is_documented() -> None:
    config = config_with(depth=int)
    found = refused(base=ModelFamily[config, Toy], variants={})
    assert found == [("depth", "write a docstring below the field 'depth'")]


@pytest.mark.parametrize("name", sorted(RESERVED_OPTIONS - {"model"}))
def test_no_field_has_a_keyword_of_the_factory(name: str) -> None:
    found = refused(base=ModelFamily[config_with(**{name: int}), Toy], variants={})
    assert (name, f"'{name}' is a keyword of the factory: give the field another name") in found


def test_the_factorys_keywords_are_reserved() -> None:
    for function in (tv.create_model, tv.create_backbone):
        assert set(inspect.signature(function).parameters) - {"options"} <= RESERVED_OPTIONS


def test_every_row_is_of_the_familys_own_config() -> None:
    class Wider(ToyConfig):
        """A subclass."""

    rows = {"toy_one": OtherConfig(), "toy_two": Wider(), "toy_three": {"width": 3}}
    assert refused(variants=rows) == [
        ("variants", "'toy_one' must be a ToyConfig; got OtherConfig"),
        ("variants", "'toy_two' must be a ToyConfig; got Wider"),
        ("variants", "'toy_three' must be a ToyConfig; got dict"),
    ]


@pytest.mark.parametrize("name", ["Toy", "toy.one", "toy-one", "", 3])
def test_a_rows_name_is_lower_case_words(name: object) -> None:
    assert refused(variants={name: ToyConfig()}) == [
        ("variants", f"{name!r} must be lower-case words joined by '_'")
    ]


def test_rows_are_a_dict() -> None:
    assert refused(variants=[ToyConfig()]) == [("variants", "must be a dict of name to config")]


def test_everything_that_is_broken_is_said_at_once() -> None:
    found = refused(key="Toy", title=None, parts=None, variants={"toy": OtherConfig()})
    assert [where for where, _ in found] == ["title", "parts", "key", "variants"]


def test_a_family_is_no_object() -> None:
    with pytest.raises(tv.UsageError, match=r"ToyFamily is not instantiated: write create_model"):
        declare()()


def test_build_gives_modules_that_know_their_config() -> None:
    model = declare().build(ToyConfig(width=3))
    assert type(model) is Toy
    assert model.stem.weight.shape == (3, 3, 1, 1)
    assert model.spec == tv.ModelSpec.from_config(ToyConfig(width=3))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ToyConfig.model_construct(width=0),
        lambda: ToyConfig().model_copy(update={"width": 0}),
        lambda: ToyConfig().model_copy(update={"width": "4"}),
        lambda: ToyConfig().model_copy(update={"args": None}),
    ],
)
def test_build_validates_what_skipped_validation(make: Callable[[], ToyConfig]) -> None:
    family, config = declare(), make()
    with pytest.raises(tv.ConfigError):
        family.build(config)
    with pytest.raises(tv.ConfigError):
        tv.create_model(config)


def test_build_validates_nested_configs_too() -> None:
    config = ToyConfig()
    broken = config.model_copy(update={"args": config.args.model_copy(update={"rate": 7.0})})
    with pytest.raises(tv.ConfigError, match="args"):
        declare().build(broken)


class Narrower(ToyConfig):
    """Another class, if a related one."""


@pytest.mark.parametrize("config", [OtherConfig(), Narrower(), {"width": 3}, "toy_small", None])
def test_build_takes_its_own_class_only(config: object) -> None:
    with pytest.raises(tv.ConfigError, match=r"ToyFamily\.build takes a ToyConfig") as caught:
        declare().build(config)
    assert [problem.kind for problem in caught.value.problems] == ["type"]


def test_build_must_make_a_model() -> None:
    declare(build=classmethod(lambda cls, cfg: torch.nn.Linear(1, 1)))
    with pytest.raises(tv.DeclarationError, match="must return an ImageModel; got Linear"):
        tv.create_model(ToyConfig())


def test_configure_knows_the_familys_own_variants_only() -> None:
    family = declare()
    assert family.configure("toy_wide", num_classes=3) == ToyConfig(width=16, num_classes=3)
    with pytest.raises(tv.UnknownNameError, match="did you mean 'toy_small'") as caught:
        family.configure("toy_smal")
    assert caught.value.problems[0].suggestions == ("toy_small",)


def publish(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Put a `weights.json` beside the module of the toy family, which is not imported."""
    (folder / "weights.json").write_text(text, "utf-8")
    module = types.ModuleType("elsewhere.toy.family")
    module.__file__ = str(folder / "family.py")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    declaration._weights_file.cache_clear()


WEIGHTS = """{"toy_small": {"default": "b", "aliases": {"toy_old": "a"}, "tags": {
    "a": {"num_classes": 10}, "b": {"num_classes": 20}, "broken": {"num_clases": 3}}}}"""


def test_names_of_weights_are_read_without_their_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, monkeypatch, WEIGHTS)
    toy = declare()
    assert toy.tags("toy_small") == ("b", "a", "broken")
    assert toy.aliases() == {"toy_old": "toy_small.a"}
    assert [toy.weights("toy_small", tag).num_classes for tag in (None, "a")] == [20, 10]
    with pytest.raises(tv.ConfigError, match="did you mean 'num_classes'"):
        toy.weights("toy_small", "broken")


@pytest.mark.parametrize("text", ["{", "[]", '{"toy_small": []}', '{"toy_small": {"tag": {}}}'])
def test_weights_that_cannot_be_read_are_said_by_their_file(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, monkeypatch, text)
    with pytest.raises(tv.DeclarationError, match=r"weights\.json' cannot be read"):
        declare().tags("toy_small")


def test_without_published_weights_there_are_no_tags() -> None:
    family = declare(__module__=__name__)
    assert family.tags("toy_small") == ()
    with pytest.raises(tv.UnknownNameError, match="no weights are published for 'toy_small'"):
        family.weights("toy_small")
