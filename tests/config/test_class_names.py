"""The sets of class names that ship with the library, and specs that refer to them."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files

import pytest

import typedvision as tv
from typedvision.config.class_names import CLASS_SETS, ClassSet


@pytest.mark.parametrize("key", CLASS_SETS)
def test_every_class_has_a_name(key: str) -> None:
    names = ClassSet(key)
    assert len(list(names)) == len(names) == CLASS_SETS[key]
    assert all(name == name.strip() and name.isprintable() for name in names)
    assert ClassSet.of_count(len(names)) == names


def test_names_are_those_of_wordnet() -> None:
    names = ClassSet("imagenet1k")
    assert (names[0], names[281], names[999]) == ("tench", "tabby", "toilet tissue")
    assert names[638:640] == ("maillot", "maillot, tank suit")  # two that share their first name
    assert ClassSet("imagenet22k")[-1] == ClassSet("imagenet12k")[-1] == "knothole"
    assert ClassSet("imagenet22k")[0] == "organism"
    assert ClassSet("imagenet22k_ms")[0] == "tench"  # the thousand come first


def test_there_are_no_others() -> None:
    assert ClassSet.of_count(365) is None
    with pytest.raises(tv.UnknownNameError, match="did you mean 'imagenet1k'"):
        ClassSet("imagenet1q")


def test_they_take_little_room() -> None:
    file = files("typedvision.config").joinpath("class_names.json.xz")
    assert len(file.read_bytes()) < 250_000


def test_a_spec_refers_to_a_set() -> None:
    plain = tv.specify("resnet18")
    named = plain.replace(class_names="imagenet1k")
    assert named.class_names == ClassSet("imagenet1k")
    assert json.loads(named.to_json())["class_names"] == "imagenet1k"
    assert tv.ModelSpec.from_json(named.to_json()) == named != plain
    assert named.with_options(num_classes=10).class_names is None
    assert plain.class_names is None
    with pytest.raises(tv.ConfigError, match=r"are 11821 for 'config\.num_classes' = 1000"):
        plain.replace(class_names="imagenet12k")


def test_the_schema_lists_the_sets() -> None:
    schema = json.dumps(tv.ModelSpec.json_schema())
    assert json.dumps(list(CLASS_SETS)) in schema


def test_nothing_is_read_before_a_name_is_asked_for() -> None:
    program = (
        "import typedvision as tv; from typedvision.config import class_names as names; "
        "spec = tv.specify('resnet18').replace(class_names='imagenet1k'); "
        "len(spec.class_names); spec.digest(); print(names._names.cache_info().currsize)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout == "0\n"
