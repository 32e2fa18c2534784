"""Every name, tag and old name of timm is here, and no other tag."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import typedvision as tv
from typedvision.registry import index

GOLDEN = Path(__file__).parents[1] / "golden"


def rows(name: str) -> dict[str, list[str]]:
    """The first word of each line of a file of facts, with the words after it."""
    lines = (GOLDEN / name).read_text("utf-8").splitlines()
    return {first: rest for first, *rest in map(str.split, lines)}


PUBLISHED = rows("published.txt")


def test_there_are_as_many_as_timm_has() -> None:
    assert len(PUBLISHED) == 1371
    assert sum(len(tags) or 1 for tags in PUBLISHED.values()) == 2052  # some have no tag
    assert len(rows("old_names.txt")) == 209


def test_every_name_is_here() -> None:
    assert sorted(index.variants()) == sorted(PUBLISHED)


def test_every_tag_is_here() -> None:
    found = {name: sorted(index.tags(name)) for name in index.variants()}
    assert found == {name: sorted(tags) for name, tags in PUBLISHED.items()}


def test_every_preprocessing_is_the_peers() -> None:
    seen = []
    for line, names in rows("images.txt").items():
        told = json.loads(line)
        channels, *size = told.pop("input_size")
        wanted = {"size": size, **told}
        for name in names:
            image = tv.specify(name).image
            assert image.channels == channels, name
            assert json.loads(image.model_dump_json(include=wanted.keys())) == wanted, name
        seen += names
    assert len(seen) == len(set(seen)) == 2052


def test_every_old_name_means_what_it_did() -> None:
    old_names = rows("old_names.txt")
    assert sorted(index.aliases()) == sorted(old_names)
    for old, (present,) in old_names.items():
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            spec = tv.specify(old)
        name, _, tag = present.partition(".")
        assert spec.variant == name
        # A tag of which the old name has the first words: `sam`, now `sam_in1k`.
        assert (spec.tag or "").startswith(tag)
