"""Every config class is importable from one place."""

from __future__ import annotations

import subprocess
import sys

import pytest

import typedvision as tv
from typedvision import configs
from typedvision.registry import index


def test_each_class_is_that_of_its_family() -> None:
    names = dir(configs)
    assert len(names) == len(index.family_keys())
    for name in names:
        found = getattr(configs, name)
        assert found.__name__ == name
        assert found in {index.family(key).config_type() for key in index.family_keys()}


def test_a_class_makes_a_model() -> None:
    from typedvision.configs import ResNetConfig

    config = ResNetConfig(block="basic", layers=(1, 1, 1, 1))
    assert tv.specify(config).family == "resnet"


def test_a_misspelt_name_has_a_suggestion() -> None:
    with pytest.raises(AttributeError, match="did you mean 'ResNetConfig'"):
        _ = configs.ResnetConfig


def test_one_family_is_imported_and_no_torch() -> None:
    code = """
import sys
from typedvision.configs import ResNetConfig
families = {name.split(".")[2] for name in sys.modules if name.startswith("typedvision.families.")}
print(families, "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "{'resnet'} False\n"
