from __future__ import annotations

import json
from pathlib import Path

import pytest

import typedvision as tv
from tests.cli.running import run


def test_what_differs_and_what_it_costs() -> None:
    values, costs = run("compare", "resnet50", "resnet50d").stdout.split("\n\n")
    assert [line.split() for line in values.splitlines()] == [
        ["resnet50", "resnet50d"],
        ["variant", '"resnet50"', '"resnet50d"'],
        ["config.stem_width", "64", "32"],
        ["config.stem_type", '""', '"deep"'],
        ["config.avg_down", "false", "true"],
        ["image.crop_pct", "0.95", "0.875"],
    ]
    assert [line.split() for line in costs.splitlines()] == [
        ["resnet50", "resnet50d"],
        ["parameters", "25,557,032", "25,576,264"],
        ["multiply-adds", "4,089,184,256", f"{tv.summarize('resnet50d').multiply_adds:,}"],
    ]


def test_everything() -> None:
    one, other = _models("resnet18", "resnet34", "--all")
    assert set(one["values"]) == set(other["values"])
    assert one["values"]["config.layers"] == [2, 2, 2, 2]
    assert one["values"]["config.block_args.attn_layer"] is None
    assert one["values"]["image.size"] == [224, 224]
    assert one["parameters"] == 11_689_512
    assert [level["name"] for level in other["levels"]][-1] == "head"


def test_two_families_are_compared_by_what_was_chosen() -> None:
    one, other = _models("resnet50", "vit_base_patch16_224")
    assert one["values"]["config.layers"] == [3, 4, 6, 3]  # required
    assert "config.layers" not in other["values"]
    assert "config.stem_width" not in one["values"]  # only one has it, at its default
    assert one["values"]["config.act_layer"] == "relu"
    assert other["values"]["config.act_layer"] == "gelu"


def test_the_same_model_in_three_forms(tmp_path: Path) -> None:
    model = tv.create_model("test_resnet", seed=1)
    checkpoint, document = tmp_path / "m.safetensors", tmp_path / "m.json"
    tv.save_model(model, checkpoint)
    document.write_text(model.spec.to_json())
    for other in (checkpoint, document):
        result = run("compare", "test_resnet", str(other))
        assert result.stdout.startswith("the specs say the same\n")


def test_tags_differ_in_their_preprocessing() -> None:
    one, other = _models("resnet50.a1_in1k", "resnet50.tv_in1k")
    assert one["values"] == {
        "tag": "a1_in1k",
        "image.interpolation": "bicubic",
        "image.crop_pct": 0.95,
    }
    assert set(other["values"]) == set(one["values"])


@pytest.mark.parametrize("other", ["resnet5O", "nowhere.safetensors"])
def test_what_cannot_be_read_is_named(other: str) -> None:
    result = run("compare", "resnet18", other)
    assert (result.exit_code, result.stdout) == (1, "")
    assert other in result.stderr


def _models(*arguments: str) -> list[dict[str, dict[str, object]]]:
    models: list[dict[str, dict[str, object]]]
    models = json.loads(run("compare", *arguments, "--json").stdout)["models"]
    return models


def test_a_backbone_is_no_model(tmp_path: Path) -> None:
    backbone = tv.create_backbone("test_resnet", out_indices=(1,))
    document, checkpoint = tmp_path / "b.json", tmp_path / "b.safetensors"
    document.write_text(backbone.spec.to_json())
    tv.save_model(backbone, checkpoint)
    for file in (document, checkpoint):
        result = run("compare", "test_resnet", str(file))
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == f"[usage] '{file}' holds a backbone of test_resnet, not a model\n"
