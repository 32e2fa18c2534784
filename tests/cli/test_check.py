from __future__ import annotations

import json
from pathlib import Path

import pytest

import typedvision as tv
from tests.cli.running import run, run_on_terminal

SPEC = tv.specify("resnet18")
TEXT = SPEC.to_json()

# What is valid however it is written, and what is not, with the path and kind of its first problem.
VALID = {
    "as written": TEXT.encode(),
    "byte order mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "Windows line ends": TEXT.replace("\n", "\r\n").encode(),
    "UTF-16": TEXT.encode("utf-16"),
    "schema": SPEC.to_json(schema="https://example.com/s.json").encode(),
}
INVALID = {
    "empty": (b"", [], "syntax"),
    "blank": (b" \n", [], "syntax"),
    "binary": (bytes(range(256)), [], "syntax"),
    "truncated": (TEXT[:-5].encode(), [], "syntax"),
    "two documents": ((TEXT + TEXT).encode(), [], "syntax"),
    "no object": (b"[1, 2]", [], "type"),
    "empty object": (b"{}", ["schema_version"], "missing"),
    "duplicate key": (b'{"family": "resnet", "family": "vit"}', [], "syntax"),
    "NaN": (TEXT.replace('"drop_rate": 0.0', '"drop_rate": NaN').encode(), [], "range"),
    "two megabytes": (TEXT.encode() + b" " * 2**21, [], "length"),
    "deep": (b"[" * 100_000, [], "length"),
    "deep metadata": (
        TEXT.replace('"metadata": {}', '"metadata": {"a": ' + "[" * 40 + "]" * 40 + "}").encode(),
        [],
        "length",
    ),
    "unknown family": (TEXT.replace('"resnet"', '"resnot"').encode(), ["family"], "unknown"),
    "newer": (
        TEXT.replace('"schema_version": 1', '"schema_version": 2').encode(),
        ["schema_version"],
        "range",
    ),
    "option of another family": (
        TEXT.replace('"config": {', '"config": {"qkv_bias": true,').encode(),
        ["config", "qkv_bias"],
        "unknown",
    ),
    "unknown key": (TEXT.replace("{", '{"famly": 1,', 1).encode(), ["famly"], "unknown"),
    "unicode key": (
        TEXT.replace('"config": {', '"config": {"gr\u00f6\u00dfe": 1,').encode(),
        ["config", "gr\u00f6\u00dfe"],
        "unknown",
    ),
}


@pytest.mark.parametrize("document", VALID.values(), ids=VALID)
def test_a_valid_file_is_ok(tmp_path: Path, document: bytes) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(document)
    result = run("check", str(path))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{path}: ok, resnet18, sha256 {SPEC.digest()}\n"


@pytest.mark.parametrize(("document", "path", "kind"), INVALID.values(), ids=INVALID)
def test_an_invalid_file_says_where_and_what(
    tmp_path: Path, document: bytes, path: list[str], kind: str
) -> None:
    file = tmp_path / "model.json"
    file.write_bytes(document)
    result = run("check", str(file), "--json")
    (row,) = json.loads(result.stdout)
    assert (result.exit_code, row["valid"], row["code"]) == (1, False, "spec")
    assert (row["problems"][0]["path"], row["problems"][0]["kind"]) == (path, kind)
    text = run("check", str(file))
    assert (text.exit_code, text.stdout) == (1, "")
    assert text.stderr.startswith(f"{file}: [spec] ")
    assert len(text.stderr.splitlines()) == 1 + len(row["problems"])


def test_every_problem_is_named_with_its_path() -> None:
    document = json.loads(TEXT)
    document["config"].update(qkv_bias=None, drop_rate=3, layers=[1, 2, "3", 4])
    document["config"]["block_args"]["attn_layr"] = "se"
    document["image"]["crop_pct"] = 0
    document["sede"] = 1
    result = run("check", "-", stdin=json.dumps(document))
    assert result.exit_code == 1
    first, *rows = result.stderr.splitlines()
    assert first == "-: [spec] 6 problems in the spec"
    assert {tuple(row.split()[:2]) for row in rows} == {
        ("sede", "unknown"),
        ("image.crop_pct", "range"),
        ("config.qkv_bias", "unknown"),
        ("config.drop_rate", "range"),
        ("config.layers[2]", "type"),
        ("config.block_args.attn_layr", "unknown"),
    }


def test_several_files_are_all_checked(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(TEXT)
    bad.write_text("{}")
    result = run("check", str(bad), str(good), "-", stdin=TEXT)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{good}: ok, resnet18, sha256 {SPEC.digest()}",
        f"-: ok, resnet18, sha256 {SPEC.digest()}",
    ]
    assert result.stderr.startswith(f"{bad}: [spec] 3 problems")
    rows = json.loads(run("check", str(bad), str(good), "--json").stdout)
    assert [row["file"] for row in rows] == [str(bad), str(good)]
    assert rows[1] == {
        "file": str(good),
        "valid": True,
        "family": "resnet",
        "variant": "resnet18",
        "tag": None,
        "digest": SPEC.digest(),
    }


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    good = tmp_path / "good.json"
    good.write_text(TEXT)
    for unreadable in (tmp_path / "nowhere.json", good / "below"):
        result = run("check", str(good), str(unreadable))
        assert (result.exit_code, result.stdout) == (2, "")
        assert "cannot be read" in " ".join(result.stderr.replace("\u2502", "").split())


def test_no_file_is_a_usage_error() -> None:
    assert run("check").exit_code == 2


def test_control_characters_in_a_document_never_reach_the_terminal() -> None:
    document = json.loads(TEXT)
    document["config"]["\x1b[31m\n"] = "\x1b]0;title\x07"
    document["\x1b[2J"] = 1
    unknown = run("check", "-", stdin=json.dumps({**document, "family": "\x1b[2J\n"}))
    assert "\x1b" not in unknown.stderr
    result = run("check", "-", stdin=json.dumps(document))
    assert result.exit_code == 1
    assert "\x1b" not in result.stderr
    assert len(result.stderr.splitlines()) == 3


def test_a_terminal_gets_the_problems_in_columns(tmp_path: Path) -> None:
    text = TEXT.replace('"relu"', '"rlu"').replace('"in_chans": 3', '"in_chans": 0')
    (tmp_path / "model.json").write_text(text)
    shown = run_on_terminal("check", "model.json", cwd=tmp_path)
    assert "[spec] " in shown
    assert "2 problems in the spec" in shown
    assert all(word in shown for word in ("config.act_layer", "choice", "config.in_chans", "range"))


def test_a_backbone_and_a_checkpoint_are_checked_too(tmp_path: Path) -> None:
    backbone = tv.create_backbone("test_resnet", out_indices=(1,))
    document, checkpoint = tmp_path / "b.json", tmp_path / "b.safetensors"
    document.write_text(backbone.spec.to_json())
    tv.save_model(backbone, checkpoint)
    result = run("check", str(document), str(checkpoint))
    assert (result.exit_code, result.stderr) == (0, "")
    digest = backbone.spec.digest()
    assert result.stdout.splitlines() == [
        f"{file}: ok, backbone of test_resnet, sha256 {digest}" for file in (document, checkpoint)
    ]
    (row,) = json.loads(run("check", str(document), "--json").stdout)
    assert (row["variant"], row["digest"]) == ("test_resnet", digest)


def test_a_folder_stands_for_its_specs(tmp_path: Path) -> None:
    text = tv.specify("test_resnet").to_json()
    (tmp_path / "b.json").write_text(text)
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("no spec")
    result = run("check", str(tmp_path), "--json")
    assert result.exit_code == 1
    found = [(Path(one["file"]).name, one["valid"]) for one in json.loads(result.stdout)]
    assert found == [("a.json", False), ("b.json", True)]
    tv.save_model(tv.create_model("test_resnet"), tmp_path / "model.safetensors")
    (document,) = json.loads(run("check", str(tmp_path), "--json").stdout)
    assert (document["file"], document["valid"]) == (str(tmp_path), True)
