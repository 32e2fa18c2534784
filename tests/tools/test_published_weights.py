"""`weights.json` is written from facts, and reads as the schema says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import typedvision as tv
from tools import published_weights
from tools.published_weights import main, published, to_json
from typedvision.config.weights import VariantWeights

FACTS: dict[str, published_weights.NameFacts] = {
    "resnet18": {
        "default_tag": "b_in1k",
        "tags": {
            "b_in1k": {
                "hf_hub_id": "timm/resnet18.b_in1k",
                "input_size": [3, 224, 288],
                "mean": [0.5, 0.5, 0.5],
                "std": [0.25, 0.25, 0.25],
                "interpolation": "bilinear",
                "crop_pct": 0.9,
                "crop_mode": "squash",
                "num_classes": 1000,
                "license": "apache-2.0",
                "paper_ids": "arXiv:2110.00476",
            },
            "a_gap": {
                "input_size": [3, 224, 224],
                "mean": [0.485, 0.456, 0.406],
                "std": [0.229, 0.224, 0.225],
                "interpolation": "bicubic",
                "crop_pct": 0.875,
                "crop_mode": "center",
            },
        },
    },
    "net_that_no_family_has": {"default_tag": "x", "tags": {}},
}

ALIASES = {"oldnet": "resnet18.b_in1k", "oldnet_a": "resnet18.a", "older": "resnet18", "x": "y.z"}


def test_entries_are_what_the_facts_say() -> None:
    rows = published(tv.family("resnet"), FACTS, ALIASES)
    assert list(rows) == ["resnet18"]
    row = rows["resnet18"]
    assert row.default == "b_in1k"
    assert list(row.tags) == ["a_gap", "b_in1k"]
    entry = row.tags["b_in1k"]
    assert (entry.repository, entry.num_classes) == ("timm/resnet18.b_in1k", 1000)
    assert (entry.image.size, entry.image.crop_mode) == ((224, 288), "squash")
    assert entry.paper == "https://arxiv.org/abs/2110.00476"
    bare = row.tags["a_gap"]
    assert (bare.repository, bare.num_classes, bare.license) == (None, 0, None)


def test_old_names_come_with_their_tags() -> None:
    (row,) = published(tv.family("resnet"), FACTS, ALIASES).values()
    assert row.aliases == {"older": None, "oldnet": "b_in1k", "oldnet_a": "a_gap"}
    with pytest.raises(LookupError, match="no tag 'gap'"):
        published(tv.family("resnet"), FACTS, {"oldnet": "resnet18.gap"})


def test_the_file_reads_back() -> None:
    rows = published(tv.family("resnet"), FACTS, ALIASES)
    document = json.loads(to_json(rows))
    assert {key: VariantWeights.model_validate(row) for key, row in document.items()} == rows
    assert document["resnet18"]["tags"]["a_gap"] == {}  # defaults are not written
    assert json.loads(to_json({})) == {}


def test_the_tool_writes_every_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts, target = tmp_path / "facts", tmp_path / "families"
    (facts / "pretrained").mkdir(parents=True)
    (facts / "pretrained" / "some.json").write_text(json.dumps(FACTS))
    (facts / "aliases.json").write_text(json.dumps(ALIASES))
    families = published_weights.families()
    for family in families:
        (target / family.key).mkdir(parents=True)
    monkeypatch.setattr(published_weights, "families", lambda: families)
    monkeypatch.setattr(published_weights, "FAMILIES", target)
    monkeypatch.setattr(published_weights, "GOLDEN", tmp_path)
    main([str(facts)])
    assert {path.parent.name for path in target.glob("*/weights.json")} == {
        family.key for family in families
    }
    assert "resnet18" in json.loads((target / "resnet" / "weights.json").read_text())


@pytest.mark.parametrize("family", published_weights.families(), ids=lambda family: family.key)
def test_what_is_committed_fits_the_variants(family: type) -> None:
    known = tv.family(family.key)  # type: ignore[attr-defined]
    for variant, config in known.variants.items():
        tags = known.tags(variant)
        assert all(tag for tag in tags)
        if tags:
            entry = known.weights(variant)
            assert entry.num_classes == config.num_classes
        for tag in tags:
            assert len(known.weights(variant, tag).image.mean) == 3
