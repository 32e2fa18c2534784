from __future__ import annotations

import json

import pytest

import typedvision as tv
from tests.cli.running import run, run_on_terminal
from tests.contract.conftest import of_each_base
from typedvision.cli.options import option_groups
from typedvision.registry import index
from typedvision.registry.family import AnyFamily


def test_a_model() -> None:
    text = run("show", "seresnet50").stdout
    for line in (
        "family      resnet: ResNet, https://arxiv.org/abs/1512.03385",
        "parameters  28,088,024",
        "input       3 x 224 x 224; any other size works",
        "level   resolution  channels  parameters  multiply-adds",
        "layer4  7 x 7           2048  16,544,128    810,811,392",
        "total                         28,088,024  4,091,699,200",
    ):
        assert line in text.splitlines()
    assert "number in [0, 1]" in text
    assert 'BlockArgs; default {"attn_layer": null, "rd_ratio": null, ' in text
    assert '{"attn_layer": "se"}' in text
    assert "Dropout probability before the classifier." in text


def test_every_tag_with_its_classes_input_and_licence() -> None:
    lines = run("show", "resnet50", "--no-plan").stdout.splitlines()
    first, end = lines.index("Weights, the default first") + 1, lines.index("Feature levels") - 1
    rows = [line.split() for line in lines[first:end]]
    family = tv.family("resnet")
    assert rows[0] == ["tag", "classes", "input", "license"]
    published = {tag: family.weights("resnet50", tag) for tag in family.tags("resnet50")}
    for (tag, row), shown in zip(published.items(), rows[1:], strict=True):
        height, width = map(str, row.image.size)
        license = row.license or "unknown"
        assert shown == [tag, str(row.num_classes), height, "x", width, license]
    weights = json.loads(run("show", "resnet50", "--no-plan", "--json").stdout)["weights"]
    for tag, row in published.items():
        shown = weights[tag]
        assert (shown["license"], shown["num_classes"]) == (row.license, row.num_classes)
        assert tuple(shown["image"]["size"]) == row.image.size


def test_a_model_as_json() -> None:
    document = json.loads(run("show", "resnet50", "--json").stdout)
    spec = tv.specify("resnet50")
    assert document["name"] == "resnet50"
    assert document["parameters"] == 25_557_032
    assert document["config"] == spec.to_dict()["config"]
    assert document["image"] == spec.to_dict()["image"]
    assert [level["stride"] for level in document["features"]] == [2, 4, 8, 16, 32]
    assert list(document["weights"]) == list(tv.family("resnet").tags("resnet50"))
    (rate,) = (
        option for option in document["options"]["ResNetConfig"] if option["name"] == "drop_rate"
    )
    assert rate == {
        "name": "drop_rate",
        "takes": "number in [0, 1]",
        "required": False,
        "default": 0.0,
        "doc": "Dropout probability before the classifier.",
    }


def test_equal_blocks_are_one_row() -> None:
    lines = run("show", "vit_base_patch16_224").stdout.splitlines()
    plan = [line.split()[0] for line in lines[lines.index("Plan, for an image of 224 x 224") + 1 :]]
    assert plan == ["level", "stem", "blocks.0-11", "head", "total"]


def test_the_plan_comes_last_and_without_it_the_levels_do() -> None:
    planned = run("show", "resnet50").stdout
    head, _, levels = run("show", "resnet50", "--no-plan").stdout.partition("Feature levels\n")
    assert planned.startswith(head + "Plan, ")
    assert levels.splitlines()[-1].split() == ["layer4", "2048", "32"]


@of_each_base
def test_a_family(family: AnyFamily) -> None:
    text = run("show", family.key).stdout
    assert family.title in text
    words = text.split()
    assert all(name in words for name in family.variants)
    assert all(option in words for option in family.config_type().model_fields)
    document = json.loads(run("show", family.key, "--json").stdout)
    assert list(document["models"]) == list(family.variants)


@pytest.mark.parametrize("key", index.family_keys())
def test_every_option_says_what_it_takes_and_what_it_means(key: str) -> None:
    for group in option_groups(tv.family(key).config_type()):
        for option in group.options:
            assert option.takes not in ("", "anything", "array", "object"), option
            assert option.doc, option


def test_a_tag_may_have_other_classes_than_the_index_has_counted() -> None:
    name = next(
        name
        for name in tv.list_models(tags=True)
        if tv.specify(name).config != tv.configure(name.partition(".")[0])
    )
    document = json.loads(run("show", name, "--json").stdout)
    assert document["tag"] == name.partition(".")[2]
    assert document["config"]["num_classes"] == tv.specify(name).config.num_classes
    summary = tv.summarize(tv.specify(name))
    assert document["parameters"] == summary.parameters
    assert [level["name"] for level in document["levels"]] == [row.name for row in summary.levels]
    unplanned = json.loads(run("show", name, "--no-plan", "--json").stdout)
    assert unplanned["parameters"] is None
    assert "levels" not in unplanned
    assert "parameters" not in run("show", name, "--no-plan").stdout.splitlines()[2]


def test_a_narrow_terminal_breaks_words_and_hides_none() -> None:
    shown = run_on_terminal("show", "swin_tiny_patch4_window7_224", "--no-plan", columns=40)
    assert "\u2026" not in shown
