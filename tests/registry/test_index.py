"""Families are found by name: ours by the index, others by entry point or in the program."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from importlib.metadata import EntryPoint

import pytest

import typedvision as tv
from tests.toys import ToyConfig, declare
from typedvision.config.weights import PublishedWeights
from typedvision.registry import index
from typedvision.registry.index import registered

pytestmark = pytest.mark.usefixtures("registry")


def test_the_index_agrees_with_the_families() -> None:
    for key, row in index.rows().items():
        family = index.family(key)
        assert set(row["variants"]) == set(family.variants)
        assert set(row["options"]) == set(family.config_type().model_fields)
        assert row["aliases"] == family.aliases()
        for name, variant in row["variants"].items():
            assert tuple(variant["tags"]) == family.tags(name)
            for tag, license in variant["tags"].items():
                assert license == family.weights(name, tag).license


def test_a_variant_belongs_to_one_family() -> None:
    names = [name for key in index.family_keys() for name in index.variants(key)]
    assert len(names) == len(set(names))


def test_old_names_lead_to_what_there_is() -> None:
    old_names = index.aliases()
    assert len(old_names) > 90
    assert not set(old_names) & set(index.variants())
    for present in old_names.values():
        variant, _, tag = present.partition(".")
        assert tag in ("", *index.tags(variant))


def test_an_old_name_works_with_a_warning_at_the_callers_line() -> None:
    with pytest.warns(DeprecationWarning, match="now called 'vit_tiny_patch16_224.augreg") as seen:
        spec = tv.specify("vit_tiny_patch16_224_in21k", in_chans=1)
    assert [warning.filename for warning in seen] == [__file__]
    assert (spec.variant, spec.tag) == ("vit_tiny_patch16_224", "augreg_in21k")
    assert (spec.config.num_classes, spec.config.in_chans) == (21843, 1)
    with pytest.warns(DeprecationWarning, match="now called 'efficientnet_b2'"):
        assert tv.create_model("efficientnet_b2a", device="meta").spec.tag is None
    with pytest.warns(DeprecationWarning, match="now called"):
        assert tv.family("efficientnet_b2a").key == "efficientnet"
    with pytest.warns(DeprecationWarning, match="now called"):
        assert tv.accepts("efficientnet_b2a", "drop_rate")


def test_a_tag_beside_an_old_name_counts() -> None:
    with pytest.warns(DeprecationWarning, match="now called"):
        spec = tv.specify("vit_tiny_patch16_224_in21k.augreg_in21k_ft_in1k")
    assert (spec.tag, spec.config.num_classes) == ("augreg_in21k_ft_in1k", 1000)


def test_old_names_are_not_listed() -> None:
    assert not set(index.aliases()) & set(tv.list_models())
    assert "efficientnet_b2a" not in dir(tv.models)
    with pytest.raises(AttributeError, match="'efficientnet_b2a' is now called 'efficientnet_b2'"):
        getattr(tv.models, "efficientnet_b2a")  # noqa: B009


def test_a_family_of_the_program_is_one_like_ours() -> None:
    assert "toy_small" not in tv.list_models()
    declare()
    assert "toy_small" in tv.list_models()
    assert tv.list_models(family="toy") == ["toy_small", "toy_wide"]
    assert tv.accepts("toy_small", "depths")
    assert "toy" in index.owners("depths")
    assert tv.create_model("toy_small", device="meta").spec.family == "toy"
    spec = tv.specify("toy_small", num_classes=3)
    assert tv.ModelSpec.from_json(spec.to_json()) == spec


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Installs a package, as far as the registry can see, whose entry point is a name of ours."""

    def install(value: str) -> None:
        point = EntryPoint("toy", value, index.ENTRY_POINT_GROUP)
        found = {index.ENTRY_POINT_GROUP: (point,)}
        monkeypatch.setattr(index, "entry_points", lambda group: found.get(group, ()))
        index._plugins.cache_clear()

    return install


def test_a_package_brings_a_family(
    plugin: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def load(self: EntryPoint) -> object:
        calls.append(self.value)
        return declare()

    monkeypatch.setattr(EntryPoint, "load", load)
    plugin("elsewhere.toy.family:ToyFamily")
    assert "toy" in index.family_keys()
    assert calls == []  # known by name, and not loaded before it is wanted
    assert tv.configure("toy_wide").num_classes == 1000
    assert tv.family("toy").key == "toy"
    assert calls == ["elsewhere.toy.family:ToyFamily"]


def test_licences_are_those_of_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    family = declare()
    assert dict(index.licenses("toy_wide")) == {}
    assert index.license_of("toy_wide") is None
    published = {"b": PublishedWeights(license="mit"), "a": PublishedWeights()}
    monkeypatch.setattr(family, "tags", lambda variant: tuple(published))
    monkeypatch.setattr(family, "weights", lambda variant, tag=None: published[tag or "b"])
    assert dict(index.licenses("toy_wide")) == {"b": "mit", "a": None}
    assert [index.license_of(f"toy_wide{tag}") for tag in ("", ".b", ".a")] == ["mit", "mit", None]
    assert tv.list_models("toy*", tags=True, license="*") == ["toy_small.b", "toy_wide.b"]


def test_a_package_that_cannot_be_loaded_harms_nobody_else(
    plugin: Callable[[str], None],
) -> None:
    plugin("nowhere.toy.family:ToyFamily")
    with pytest.warns(RuntimeWarning, match="'toy = nowhere.toy.family:ToyFamily' cannot be load"):
        assert "resnet50" in tv.list_models()
    with pytest.raises(tv.DeclarationError, match="cannot be loaded: No module named 'nowhere'"):
        tv.family("toy")
    plugin("json:loads")
    with pytest.raises(tv.DeclarationError, match="loads no family of that key"):
        tv.family("toy")


def declare_by(
    monkeypatch: pytest.MonkeyPatch, plugin: Callable[[str], None], **lines: object
) -> None:
    """Installs a package whose module declares the toy family with other lines."""
    monkeypatch.setattr(EntryPoint, "load", lambda self: declare(**lines))
    plugin("elsewhere.toy.family:ToyFamily")


def test_a_package_that_exits_harms_nobody_else(
    plugin: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EntryPoint, "load", lambda self: sys.exit(3))
    plugin("elsewhere.toy.family:ToyFamily")
    with pytest.warns(RuntimeWarning, match="cannot be loaded: it exits with 3"):
        assert "resnet50" in tv.list_models()


def test_a_package_that_cannot_be_loaded_is_left_out_of_the_schema(
    plugin: Callable[[str], None],
) -> None:
    plugin("nowhere.toy.family:ToyFamily")
    with pytest.warns(RuntimeWarning, match="cannot be loaded"):
        families = tv.ModelSpec.json_schema()["properties"]["family"]["enum"]  # type: ignore[index]
    assert families == sorted(index.rows())


def test_a_package_takes_no_name_of_ours(
    plugin: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    declare_by(monkeypatch, plugin, variants={"toy": ToyConfig(), "resnet50": ToyConfig()})
    with pytest.warns(RuntimeWarning, match="takes names of ours"):
        assert "toy" not in tv.list_models()
    assert tv.specify("resnet50").family == "resnet"
    with pytest.raises(tv.DeclarationError) as caught:
        tv.family("toy")
    assert "the plug-in 'toy' (elsewhere.toy.family.ToyFamily)" in caught.value.summary
    (problem,) = caught.value.problems
    assert problem.where() == "resnet50"
    assert problem.message == "is a variant of our family 'resnet': give it another name"


def test_a_package_takes_no_key_of_ours(
    plugin: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = tv.family("vgg")
    monkeypatch.delitem(registered, "vgg")
    monkeypatch.delitem(sys.modules, ours.__module__)
    declare_by(monkeypatch, plugin, key="vgg", __module__="elsewhere.vgg.family")
    with pytest.warns(RuntimeWarning, match="loads no family of that key"):
        tv.list_models()
    assert tv.family("vgg").__module__ == ours.__module__


def test_a_name_of_ours_loads_no_plugin(plugin: Callable[[str], None]) -> None:
    plugin("no_such_package.toy.family:ToyFamily")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of the plug-in that cannot be loaded
        assert tv.specify("resnet50.a1_in1k").tag == "a1_in1k"
    with pytest.warns(RuntimeWarning, match="cannot be loaded"):
        assert index.aliases()


@pytest.mark.parametrize("name", ["ToyConfig", "toy-wide"])
def test_an_unknown_name_is_refused(name: str) -> None:
    declare()
    for call in (tv.configure, tv.specify, tv.create_model, tv.family):
        with pytest.raises(tv.UnknownNameError) as caught:
            call(name)
        assert caught.value.problems[0].kind == "unknown"
        assert caught.value.problems[0].value == name


def test_near_names_of_every_family_are_suggested() -> None:
    declare()
    with pytest.raises(tv.UnknownNameError, match="no model 'toy-wide'; did you mean 'toy_wide'"):
        tv.configure("toy-wide")
    with pytest.raises(tv.UnknownNameError, match="no family 'tooy'; did you mean 'toy'"):
        tv.list_models(family="tooy")


@pytest.mark.parametrize(
    ("name", "suggestions"),
    [
        ("deit_tiny", ("deit_tiny_patch16_224", "deit_tiny_distilled_patch16_224")),
        ("Swin-Tiny", ("swin_tiny_patch4_window7_224",)),
        ("resnet", ("resnet50", "resnet18", "resnet34")),
    ],
)
def test_the_start_of_a_name_leads_to_the_usual_ones(
    name: str, suggestions: tuple[str, ...]
) -> None:
    with pytest.raises(tv.UnknownNameError) as caught:
        tv.create_model(name)
    assert caught.value.problems[0].suggestions == suggestions


def test_a_config_leads_to_its_family() -> None:
    family = declare()
    assert index.family_of_config(ToyConfig) is family


def test_a_config_of_no_family_is_refused() -> None:
    with pytest.raises(tv.UnknownNameError, match="ToyConfig"):
        tv.create_model(ToyConfig())
