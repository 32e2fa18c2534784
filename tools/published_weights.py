"""Writes every family's `weights.json` from a folder of facts about published weights.

    python -m tools.published_weights FOLDER

`FOLDER/pretrained` holds JSON files, each an object of model names: `{"resnet50": {"default_tag":
"a1_in1k", "tags": {"a1_in1k": {"hf_hub_id": ..., "input_size": [3, 224, 224], ...}}}}`;
`FOLDER/aliases.json` gives old names: `{"resnet50_old": "resnet50.a1_in1k"}`. A family gets the
entries of the variants that it publishes; the others wait until some family does.
`tests/golden/published.txt` gets each name with its tags, `old_names.txt` each old name with the
present one, and `images.txt` each preprocessing with the names and tags that it is of, for the
tests that every one of them is here.
"""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NotRequired, TypedDict

from typedvision.config.image import CropMode, ImageSpec, Interpolation
from typedvision.config.weights import PublishedWeights, VariantWeights
from typedvision.registry.family import AnyFamily
from typedvision.registry.index import registered

ROOT = Path(__file__).parents[1]
FAMILIES = ROOT / "src" / "typedvision" / "families"
GOLDEN = ROOT / "tests" / "golden"
PREPROCESSING = ("input_size", "mean", "std", "interpolation", "crop_pct", "crop_mode")


class TagFacts(TypedDict):
    """The facts about one tag."""

    hf_hub_id: NotRequired[str]
    input_size: list[int]
    mean: list[float]
    std: list[float]
    interpolation: Interpolation
    crop_pct: float
    crop_mode: CropMode
    num_classes: NotRequired[int]
    license: NotRequired[str]
    paper_ids: NotRequired[str]


class NameFacts(TypedDict):
    """The facts about one name."""

    default_tag: str
    tags: dict[str, TagFacts]


def main(arguments: list[str] | None = None) -> None:
    """Write the files, and print how many tags each has."""
    parser = argparse.ArgumentParser(prog="python -m tools.published_weights", description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder of facts")
    folder: Path = parser.parse_args(arguments).folder
    facts = read_facts(folder / "pretrained")
    aliases: dict[str, str] = json.loads((folder / "aliases.json").read_text("utf-8"))
    for family in families():
        rows = published(family, facts, aliases)
        (FAMILIES / family.key / "weights.json").write_text(to_json(rows), "utf-8")
        print(f"{family.key}: {sum(len(row.tags) for row in rows.values())} tags")
    names = (" ".join([name, *sorted(filter(None, facts[name]["tags"]))]) for name in sorted(facts))
    (GOLDEN / "published.txt").write_text("".join(f"{line}\n" for line in names), "utf-8")
    old = (f"{name} {aliases[name]}\n" for name in sorted(aliases))
    (GOLDEN / "old_names.txt").write_text("".join(old), "utf-8")
    (GOLDEN / "images.txt").write_text(preprocessing(facts), "utf-8")


def preprocessing(facts: Mapping[str, NameFacts]) -> str:
    """A line for each preprocessing, as JSON without spaces; after it, whose it is."""
    found: dict[str, list[str]] = {}
    for name in sorted(facts):
        for tag, row in sorted(facts[name]["tags"].items()):
            told = {key: value for key, value in row.items() if key in PREPROCESSING}
            line = json.dumps(told, sort_keys=True, separators=(",", ":"))
            found.setdefault(line, []).append(f"{name}.{tag}" if tag else name)
    return "".join(f"{line} {' '.join(names)}\n" for line, names in found.items())


def read_facts(folder: Path) -> dict[str, NameFacts]:
    """The facts of every name in a folder's JSON files."""
    facts: dict[str, NameFacts] = {}
    for path in sorted(folder.glob("*.json")):
        facts.update(json.loads(path.read_text("utf-8")))
    return facts


def families() -> list[AnyFamily]:
    """Every family of ours, whatever the index says."""
    keys = sorted(path.parent.name for path in FAMILIES.glob("*/family.py"))
    for key in keys:
        importlib.import_module(f"typedvision.families.{key}.family")
    return [registered[key] for key in keys]


def published(
    family: AnyFamily, facts: Mapping[str, NameFacts], aliases: Mapping[str, str]
) -> dict[str, VariantWeights]:
    """The weights of those of a family's variants that the facts know, sorted."""
    return {
        variant: VariantWeights(
            default=facts[variant]["default_tag"] or None,
            tags={tag: weights(row) for tag, row in sorted(facts[variant]["tags"].items()) if tag},
            image=untrained(facts[variant]["tags"]),
            aliases=old_names(variant, facts[variant], aliases),
        )
        for variant in sorted(family.variants)
        if variant in facts
    }


def old_names(variant: str, facts: NameFacts, aliases: Mapping[str, str]) -> dict[str, str | None]:
    """The old names of a variant, each with the tag that it means.

    Raises:
        LookupError: an old name means a tag that is not published, and not one longer one.
    """
    names: dict[str, str | None] = {}
    for old, (new, dot, tag) in sorted((old, new.partition(".")) for old, new in aliases.items()):
        if new == variant:
            names[old] = published_tag(tag, facts["tags"]) if dot else None
    return names


def published_tag(tag: str, tags: Iterable[str]) -> str:
    """The tag itself, or the one that it was lengthened to: `sam` -> `sam_in1k`."""
    known = list(tags)
    longer = [name for name in known if name.startswith(f"{tag}_")]
    if tag not in known and len(longer) != 1:
        raise LookupError(f"no tag {tag!r} among {known}")
    return tag if tag in known else longer[0]


def untrained(tags: Mapping[str, TagFacts]) -> ImageSpec:
    """What a name expects of an image for which no weights are published."""
    return image_of(tags[""]) if "" in tags else ImageSpec()


def image_of(row: TagFacts) -> ImageSpec:
    """What the facts say of preprocessing."""
    _, height, width = row["input_size"]
    return ImageSpec(
        size=(height, width),
        mean=tuple(row["mean"]),
        std=tuple(row["std"]),
        interpolation=row["interpolation"],
        crop_pct=row["crop_pct"],
        crop_mode=row["crop_mode"],
    )


def weights(row: TagFacts) -> PublishedWeights:
    """The entry of one tag."""
    paper = row.get("paper_ids")
    return PublishedWeights(
        repository=row.get("hf_hub_id"),
        num_classes=row.get("num_classes", 0),
        image=image_of(row),
        license=row.get("license"),
        paper=paper and paper.replace("arXiv:", "https://arxiv.org/abs/"),
    )


def to_json(rows: Mapping[str, VariantWeights]) -> str:
    """The file: a line a tag, without what the schema has as its default."""
    blocks = []
    for variant, row in rows.items():
        entries = {
            tag: entry.model_dump(mode="json", exclude_defaults=True)
            for tag, entry in row.tags.items()
        }
        lines = [f"   {json.dumps(tag)}: {json.dumps(entry)}" for tag, entry in entries.items()]
        tags = "{\n" + ",\n".join(lines) + "\n  }" if lines else "{}"
        rest = row.model_dump(mode="json", exclude_defaults=True, include={"image", "aliases"})
        body = [f'"default": {json.dumps(row.default)}', f'"tags": {tags}']
        body += [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in rest.items()]
        blocks.append(f" {json.dumps(variant)}: {{\n  " + ",\n  ".join(body) + "\n }")
    return "{\n" + ",\n".join(blocks) + "\n}\n" if blocks else "{}\n"


if __name__ == "__main__":
    main()
