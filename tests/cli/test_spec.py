from __future__ import annotations

import json
from pathlib import Path

import pytest

import typedvision as tv
from tests.cli.running import run
from typedvision.errors import TypedVisionError


def test_the_spec_of_a_name() -> None:
    assert tv.ModelSpec.from_json(run("spec", "resnet50").stdout) == tv.specify("resnet50")


def test_settings_are_json_or_text() -> None:
    settings = ["num_classes=10", "drop_rate=0.5", "avg_down=true", "aa_layer=blur", "stem_type="]
    settings += ["layers=[1,1,1,1]", 'act_layer="gelu"', "block_args.attn_layer=se"]
    document = run("spec", "resnet50d", *(word for one in settings for word in ("--set", one)))
    assert tv.ModelSpec.from_json(document.stdout) == tv.specify(
        "resnet50d",
        num_classes=10,
        drop_rate=0.5,
        avg_down=True,
        aa_layer="blur",
        stem_type="",
        layers=(1, 1, 1, 1),
        act_layer="gelu",
        block_args={"attn_layer": "se"},
    )


def test_a_dot_leaves_the_other_nested_options_alone() -> None:
    document = run("spec", "resnetrs50", "--set", "block_args.attn_layer=gc").stdout
    before = json.loads(run("spec", "resnetrs50").stdout)["config"]["block_args"]
    assert before["rd_ratio"] == 0.25
    assert json.loads(document)["config"]["block_args"] == {**before, "attn_layer": "gc"}


def test_the_last_setting_of_an_option_counts() -> None:
    document = run("spec", "resnet18", "--set", "num_classes=5", "--set", "num_classes=6").stdout
    assert json.loads(document)["config"]["num_classes"] == 6


def test_every_wrong_setting_is_named_at_once() -> None:
    settings = ["num_clases=10", "drop_rate=7", "layers=[1,2,3]", "block_args.attn=1"]
    settings += ["act_layer=NaN", "in_chans.x=1"]
    result = run("spec", "resnet50", *(word for one in settings for word in ("--set", one)))
    assert (result.exit_code, result.stdout) == (1, "")
    first, *rows = result.stderr.splitlines()
    assert first == "[config] 6 problems in 'resnet50' (ResNetConfig)"
    assert {tuple(row.split()[:2]) for row in rows} == {
        ("num_clases", "unknown"),
        ("drop_rate", "range"),
        ("layers[3]", "missing"),
        ("block_args.attn", "unknown"),
        ("act_layer", "choice"),
        ("in_chans", "type"),
    }


@pytest.mark.parametrize("setting", ["num_classes", "", "drop_rate:0.1"])
def test_a_setting_is_a_pair(setting: str) -> None:
    result = run("spec", "resnet50", "--set", setting)
    assert result.exit_code == 2
    assert "must be" in result.stderr
    assert "OPTION=VALUE" in result.stderr


@pytest.mark.parametrize("setting", ["=1", ".=1", "block_args.=1", "..=1", "a b=1", "\u00e9=1"])
def test_an_odd_option_is_an_unknown_one(setting: str) -> None:
    result = run("spec", "resnet50", "--set", setting, "--json")
    assert result.exit_code == 1
    assert {problem["kind"] for problem in json.loads(result.stdout)["problems"]} == {"unknown"}


def test_a_file_is_written_whole_and_never_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    arguments = ["spec", "resnet18", "-o", str(path)]
    assert run(*arguments).exit_code == 0
    assert tv.ModelSpec.from_json(path.read_bytes()) == tv.specify("resnet18")
    path.write_text("mine")
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert path.read_text() == "mine"
    assert run(*arguments, "--force").exit_code == 0
    assert tv.ModelSpec.from_json(path.read_bytes()) == tv.specify("resnet18")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("place", ["", ".", "missing/model.json"])
def test_a_place_that_cannot_be_written_is_a_usage_error(
    tmp_path: Path, place: str, force: list[str]
) -> None:
    result = run("spec", "resnet18", "-o", str(tmp_path / place), *force)
    assert result.exit_code == 2
    assert "Error" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_where_a_setting_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    assert run("spec", "resnet18", "--set", "depth=3", "-o", str(path)).exit_code == 1
    assert not path.exists()


def test_the_schema_is_named_for_editors() -> None:
    document = json.loads(run("spec", "resnet18", "--schema", "../spec.schema.json").stdout)
    assert next(iter(document.items())) == ("$schema", "../spec.schema.json")


def test_a_spec_from_a_file_or_stdin_with_other_options(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text(tv.specify("resnet18").to_json())
    changed = run("spec", str(path), "--set", "in_chans=1").stdout
    assert tv.ModelSpec.from_json(changed) == tv.specify("resnet18", in_chans=1)
    again = run("spec", "-", "--set", "in_chans=3", stdin=path.read_bytes()).stdout
    assert tv.ModelSpec.from_json(again) == tv.specify("resnet18")


def test_a_missing_file_is_a_usage_error() -> None:
    result = run("spec", "nowhere.json")
    assert result.exit_code == 2
    assert "No such file" in result.stderr


def test_an_unknown_tag_is_an_error_of_ours() -> None:
    with pytest.raises(TypedVisionError) as caught:
        tv.specify("resnet50.no_such_tag")
    assert run("spec", "resnet50.no_such_tag").stderr == f"{caught.value}\n"
