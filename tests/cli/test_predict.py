from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

import typedvision as tv
from tests.cli.running import run, run_on_terminal, run_process
from tests.preprocess.images import sample_image

NAMES = ("ant", "bee", "cat")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images in two folders, one of them broken, and files that are not images."""
    inside = tmp_path / "photos"
    (inside / "more").mkdir(parents=True)
    sample_image(90, 60).save(inside / "b.png")
    sample_image(60, 90).save(inside / "a.JPG")
    sample_image(50, 50).save(inside / "more" / "c.webp")
    (inside / "broken.jpg").write_bytes(b"not an image")
    (inside / "notes.txt").write_text("no image either")
    return inside


@pytest.fixture
def checkpoint(tmp_path: Path) -> str:
    path = tmp_path / "m.safetensors"
    tv.save_model(tv.create_model("test_resnet", num_classes=3, seed=1), path, class_names=NAMES)
    return str(path)


def test_json_says_it_all(folder: Path, checkpoint: str) -> None:
    result = run("predict", str(folder), "--checkpoint", checkpoint, "--top", "2", "--json")
    assert result.exit_code == 1  # of the broken one
    rows = json.loads(result.stdout)
    places = [str(Path(row["image"]).relative_to(folder)) for row in rows]
    assert places == ["a.JPG", "b.png", "broken.jpg", "more/c.webp"]
    assert [row["valid"] for row in rows] == [True, True, False, True]
    assert rows[2]["code"] == "image"
    assert "broken.jpg" in rows[2]["summary"]
    (wanted,) = tv.predict(tv.load_model(checkpoint), [folder / "a.JPG"], top=2)
    assert rows[0]["classes"] == [
        {"index": score.index, "name": score.name, "probability": pytest.approx(score.probability)}
        for score in wanted.classes
    ]


def test_a_table_of_text(folder: Path, checkpoint: str) -> None:
    files = [str(folder / name) for name in ("a.JPG", "broken.jpg", "b.png")]
    result = run("predict", *files, "--checkpoint", checkpoint, "--top", "1")
    assert result.exit_code == 1
    heading, *rows = [line.split() for line in result.stdout.splitlines()]
    assert heading == ["image", "class", "name", "probability"]
    assert [row[0] for row in rows] == [files[0], files[2]]
    assert all(row[2] in NAMES and row[3].endswith("%") for row in rows)
    assert result.stderr.startswith(f"[image] '{files[1]}' is of none of the formats JPEG, ")


def test_a_file_for_spreadsheets(folder: Path, checkpoint: str, tmp_path: Path) -> None:
    out = tmp_path / "table.csv"
    command = ["predict", str(folder), "--checkpoint", checkpoint, "--top", "2", "--out", str(out)]
    result = run(*command)
    assert result.exit_code == 1
    assert result.stdout == f"{out}: 4 images, 1 without a prediction\n"
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "image",
        "error",
        *("class_1", "name_1", "probability_1"),
        *("class_2", "name_2", "probability_2"),
    ]
    assert [Path(row["image"]).name for row in rows] == ["a.JPG", "b.png", "broken.jpg", "c.webp"]
    assert [bool(row["error"]) for row in rows] == [False, False, True, False]
    assert rows[0]["name_1"] == NAMES[int(rows[0]["class_1"])]
    assert float(rows[0]["probability_1"]) >= float(rows[0]["probability_2"]) > 0
    assert rows[2]["class_1"] == ""
    again = run(*command)
    assert again.exit_code == 2
    assert "--force" in again.stderr
    assert run(*command, "--force").exit_code == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.safetensors", "photos", out.name]


def test_a_file_of_json(folder: Path, checkpoint: str, tmp_path: Path) -> None:
    out, image = tmp_path / "table.json", str(folder / "b.png")
    result = run("predict", image, "--checkpoint", checkpoint, "-o", str(out), "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"file": str(out), "images": 1, "failed": 0}
    printed = run("predict", image, "--checkpoint", checkpoint, "--json").stdout
    assert json.loads(out.read_text()) == json.loads(printed)


def test_weights_of_another_library_need_the_models_name(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path, image = tmp_path / "theirs.safetensors", str(folder / "b.png")
    save_file(tv.create_model("test_resnet", seed=1).state_dict(), path)
    refused = run("predict", image, "--checkpoint", str(path))
    assert refused.exit_code == 1
    assert "does not say what model it is" in refused.stderr
    result = run("predict", image, "--checkpoint", str(path), "--model", "test_resnet", "--json")
    assert result.exit_code == 0, result.stderr
    (row,) = json.loads(result.stdout)
    assert len(row["classes"]) == 5
    assert row["classes"][0]["name"] is None
    spec = tmp_path / "spec.json"
    spec.write_text(tv.specify("test_resnet").to_json())
    command = ["predict", image, "--checkpoint", str(path), "--model", str(spec), "--json"]
    assert json.loads(run(*command).stdout) == [row]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["IMAGE"], "--model"),
        (["IMAGE", "--checkpoint", "M", "--out", "x.txt"], ".csv or .json"),
        (["IMAGE", "--checkpoint", "M", "--out", "nowhere/x.csv"], "no folder"),
        (["IMAGE", "--checkpoint", "M", "--top", "0"], "--top"),
        (["IMAGE", "--checkpoint", "M", "--device", "nothing"], "--device"),
        (["EMPTY", "--checkpoint", "M"], "no image"),
    ],
)
def test_a_command_that_makes_no_sense(
    arguments: list[str], words: str, folder: Path, checkpoint: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    named = {"IMAGE": str(folder / "b.png"), "M": checkpoint, "EMPTY": str(tmp_path / "empty")}
    result = run("predict", *(named.get(word, word) for word in arguments))
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_model_that_cannot_be_had_is_an_error(folder: Path) -> None:
    image = str(folder / "b.png")
    result = run("predict", image, "--model", "resnt50", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["code"] == "unknown-name"
    assert run("predict", image, "--checkpoint", "nowhere.safetensors").exit_code == 1
    offline = run("predict", image, "--model", "test_resnet.r160_in1k", "--offline", "--json")
    assert offline.exit_code == 1
    assert json.loads(offline.stdout)["code"] == "weights"


def test_a_name_may_be_any_bytes(folder: Path, checkpoint: str, tmp_path: Path) -> None:
    os.rename(folder / "b.png", os.fsencode(folder) + b"/\xff\n.png")
    out = tmp_path / "table.csv"
    command = ["predict", str(folder), "--checkpoint", checkpoint]
    assert run_process(*command).returncode == 1
    assert run(*command, "--out", str(out)).exit_code == 1
    with out.open(newline="") as file:
        names = [Path(row["image"]).name for row in csv.DictReader(file)]
    assert "\\udcff\n.png" in names


def test_a_terminal_sees_the_progress(folder: Path, checkpoint: str) -> None:
    shown = run_on_terminal("predict", str(folder / "b.png"), "--checkpoint", checkpoint)
    assert "predicting" in shown
    assert "probability" in shown


def test_a_checkpoint_without_the_models_classifier_is_refused(
    folder: Path, checkpoint: str
) -> None:
    image = str(folder / "b.png")
    result = run("predict", image, "--checkpoint", checkpoint, "--model", "test_resnet")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "has no classifier for the 1,000 classes of 'test_resnet'" in result.stderr


def test_patches_keep_the_aspect_ratio(folder: Path, checkpoint: str, tmp_path: Path) -> None:
    path, images = tmp_path / "naflex.safetensors", [folder / "a.JPG", folder / "b.png"]
    options = {"embed_dim": 16, "depth": 1, "num_heads": 2, "patch_size": 4, "img_size": 16}
    model = tv.create_model("naflexvit_base_patch16_gap", **options, num_classes=3, seed=0)
    tv.save_model(model, path)
    command = ["predict", *map(str, images), "--max-seq-len", "20", "--json", "--checkpoint"]
    result = run(*command, str(path))
    assert result.exit_code == 0, result.stderr
    for row, wanted in zip(
        json.loads(result.stdout), tv.predict(model, images, max_seq_len=20), strict=True
    ):
        found = [(score["index"], score["probability"]) for score in row["classes"]]
        assert found == [
            (score.index, pytest.approx(score.probability)) for score in wanted.classes
        ]
    refused = run(*command, checkpoint)
    assert refused.exit_code == 1
    assert "this 'resnet' takes images only" in json.loads(refused.stdout)["summary"]


def test_patches_for_a_model_of_images_are_refused_before_weights_are_fetched(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typedvision.factory.create_model", None)
    result = run("predict", str(folder), "--model", "resnet50", "--max-seq-len", "20")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "this 'resnet' takes images only" in result.stderr
