"""The generated files are what `make generate` writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import typedvision as tv
from tests.contract.conftest import takes_seconds
from tools import generate
from tools.costs import recorded
from typedvision.registry.family import AnyFamily
from typedvision.registry.index import registered, rows


def test_the_index_and_the_stubs_are_fresh() -> None:
    # Counting every variant takes minutes.
    written = generate.code(generate.own_families(), generate.recorded_params)
    stale = [path.name for path, text in written.items() if generate.is_stale(path, text)]
    assert not stale, f"{stale} are stale: run `make generate`"


def test_the_page_of_all_families_is_fresh() -> None:
    written = generate.overview(generate.own_families(), generate.recorded_params)
    stale = [path.name for path, text in written.items() if generate.is_stale(path, text)]
    assert not stale, f"{stale} in docs/families are stale: run `make generate`"


@pytest.mark.parametrize("key", sorted(rows()))
def test_a_page_is_fresh(key: str) -> None:
    path, text = generate.page(registered[key], generate.recorded_params)
    assert not generate.is_stale(path, text), f"{path.name} is stale: run `make generate`"


@takes_seconds  # `python -m tools.generate --check` draws each
def test_a_chart_is_fresh(family: AnyFamily) -> None:
    path, text = generate.chart(family)
    assert not generate.is_stale(path, text), f"{path.name} is stale: run `make generate`"


def test_no_page_is_of_a_family_that_is_gone() -> None:
    pages = {path.stem for path in generate.PAGES.iterdir()} - {"README", "models", "costs"}
    assert pages == set(rows())


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "levit_128s", "mobilenetv3_small_050"])
def test_costs_are_counted(name: str) -> None:
    counted = tv.summarize(name).multiply_adds
    assert recorded()[name] == counted, "delete its line, and run `make generate`"


@pytest.mark.parametrize("key", sorted(rows()))
def test_parameters_are_counted(key: str) -> None:
    """One variant of each family here; the contract tests compare every one of them."""
    smallest = min(rows()[key]["variants"].items(), key=lambda item: item[1]["params"])
    name, row = smallest
    counted = generate.count_params(registered[key], name)
    assert row["params"] == counted > 0, "registry/index.json is stale: run `make generate`"


def test_check_writes_nothing_and_says_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "index.json"
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "generated", lambda count: {path: "{}\n"})
    assert generate.main(["--check"]) == 1
    assert not path.exists()
    assert capsys.readouterr().out == "index.json is stale: run `make generate`\n"
    assert generate.main([]) == 0
    assert path.read_text() == "{}\n"
    assert generate.main(["--check"]) == 0


def test_index_has_every_option_sorted_and_the_default_tag_first() -> None:
    index = json.loads((generate.SOURCE / "registry" / "index.json").read_text())
    for family in generate.own_families():
        row = index[family.key]
        assert row["options"] == sorted(family.config_type().model_fields)
        assert list(row["variants"]) == sorted(family.variants)
        for name, variant in row["variants"].items():
            assert list(variant["tags"]) == list(family.tags(name))


def test_a_family_that_cannot_be_imported_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "families" / "no_such_family"
    folder.mkdir(parents=True)
    (folder / "family.py").write_text("")
    monkeypatch.setattr(generate, "SOURCE", tmp_path)
    with pytest.raises(ModuleNotFoundError) as caught:
        generate.own_families()
    assert "the family 'no_such_family' cannot be imported" in caught.value.__notes__[0]
