from __future__ import annotations

import json
from pathlib import Path

import typedvision as tv
from tests.cli.running import run, run_on_terminal


def test_a_model_by_its_modules() -> None:
    result = run("build", "resnet18", "--set", "num_classes=10")
    assert result.exit_code == 0
    heading, columns, *rows = result.stdout.splitlines()
    assert heading == "resnet18: ResNet, 11,181,642 parameters"
    assert columns.split() == ["module", "type", "parameters"]
    assert ["fc", "Linear", "5,130"] in [row.split() for row in rows]


def test_the_parts_make_the_whole() -> None:
    names = [next(iter(tv.list_models(family=key))) for key in ("resnet", "vit", "efficientnet")]
    result = run("build", *names, "--json")
    for name, row in zip(names, json.loads(result.stdout), strict=True):
        assert row["valid"]
        assert row["variant"] == name
        assert row["digest"] == tv.specify(name).digest()
        assert row["parameters"] == sum(part["parameters"] for part in row["modules"])


def test_a_file_builds(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text(tv.specify("resnet18", in_chans=1).to_json())
    (row,) = json.loads(run("build", str(path), "--json").stdout)
    assert (row["model"], row["variant"], row["valid"]) == (str(path), "resnet18", True)


def test_each_failure_is_said_and_the_rest_is_built() -> None:
    result = run("build", "resnet50", "resnt18", "resnet18", "--max-params", "20_000_000")
    assert result.exit_code == 1
    assert result.stdout.startswith("resnet18: ResNet, 11,689,512 parameters\n")
    limit, problem, name = result.stderr.splitlines()
    assert limit == "resnet50: [limit] 'resnet50' is larger than the limits allow"
    assert problem.split()[:2] == ["params", "range"]
    assert name.startswith("resnt18: [unknown-name] no model 'resnt18'")
    rows = json.loads(run("build", "resnt18", "resnet18", "--json").stdout)
    assert [(row["model"], row["valid"]) for row in rows] == [
        ("resnt18", False),
        ("resnet18", True),
    ]
    assert rows[0]["code"] == "unknown-name"


def test_a_model_larger_than_memory_builds_within_the_limits() -> None:
    result = run("build", "resnet50", "--set", "channels=[5000,5000,5000,5000]")
    assert result.stdout.startswith("resnet50: ResNet, 7,9")  # 32 GB of weights
    refused = run("build", "resnet50", "--set", "channels=[65536,65536,65536,65536]")
    assert refused.exit_code == 1
    assert "[limit]" in refused.stderr


def test_a_limit_is_a_positive_number() -> None:
    for limit in ("0", "-1", "many"):
        assert run("build", "resnet18", "--max-params", limit).exit_code == 2


def test_a_terminal_sees_the_progress() -> None:
    shown = run_on_terminal("build", "resnet18", "resnet34")
    assert "building" in shown
    assert "resnet34: ResNet, 21,797,672 parameters" in shown
