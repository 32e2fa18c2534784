"""The lazy namespace of variants."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
from typing import ClassVar

import pytest

import typedvision
from typedvision import models
from typedvision.config.base import ModelConfig
from typedvision.errors import ConfigError
from typedvision.factory import configure, specify
from typedvision.families.resnet.config import BlockArgs, ResNetConfig
from typedvision.families.resnet.model import ResNet
from typedvision.registry import index
from typedvision.registry.family import Capabilities, ModelFamily, Parts


def test_a_variant_makes_what_the_factory_makes() -> None:
    model = models.resnet10t(num_classes=3, device="meta")
    assert isinstance(model, ResNet)
    assert model.spec == specify("resnet10t", num_classes=3)


def test_config_and_spec_take_options() -> None:
    assert models.resnet18.config(avg_down=True) == configure("resnet18", avg_down=True)
    assert models.resnet18.spec(in_chans=1) == specify("resnet18", in_chans=1)


def test_every_problem_is_told_by_each_call() -> None:
    wrong = {"qkv_bias": False, "num_clases": 10}
    for call in (models.resnet18, models.resnet18.config, models.resnet18.spec):
        with pytest.raises(ConfigError) as caught:
            call(**wrong)
        assert [problem.path for problem in caught.value.problems] == [(name,) for name in wrong]


def test_dir_lists_the_names_and_nothing_else() -> None:
    assert dir(models) == list(index.variants())


def test_every_name_is_an_attribute() -> None:
    for name in dir(models):
        assert getattr(models, name).name == name


def test_tags_are_those_of_the_registry() -> None:
    assert models.resnet50.tags == index.tags("resnet50")


def test_a_wrong_name_suggests_near_ones() -> None:
    with pytest.raises(AttributeError, match="no model 'resnet5O'; did you mean 'resnet50'"):
        _ = models.resnet5O
    assert not hasattr(models, "__path__")


def test_the_package_has_the_namespace() -> None:
    assert typedvision.models is models
    assert "models" in dir(typedvision)


def test_repr_tells_name_family_tags_and_every_option() -> None:
    text = repr(models.seresnet50)
    assert text.startswith("models.seresnet50\n  family   resnet\n  tags     ")
    assert all(tag in text for tag in models.seresnet50.tags)
    assert all(f"{name}=" in text for name in ResNetConfig.model_fields)
    assert "layers=(3, 4, 6, 3)" in text
    assert max(map(len, text.splitlines())) <= 100


def test_the_signature_has_each_keyword_with_the_variants_own_default() -> None:
    parameters = inspect.signature(models.seresnet50).parameters
    assert parameters["block_args"].default == BlockArgs(attn_layer="se")
    assert parameters["layers"].default == (3, 4, 6, 3)
    assert parameters["layers"].annotation == "tuple[int, int, int, int]"
    assert parameters["seed"].default is None
    assert set(ResNetConfig.model_fields) < set(parameters)


def test_its_documentation_says_what_each_keyword_means_here() -> None:
    text = inspect.getdoc(models.seresnet50)
    assert text is not None
    assert text.startswith("ResNet, https://arxiv.org/abs/1512.03385\n\nWeights: a1_in1k, a2_in1k")
    assert "    layers: Number of blocks of each stage. 1 to 1024" in text
    told = {line.strip().partition(": ")[0] for line in text.partition("Args:\n")[2].splitlines()}
    assert told == set(inspect.signature(models.seresnet50).parameters)


def test_a_variant_is_one_object_also_when_copied_and_pickled() -> None:
    variant = models.resnet50
    assert models.resnet50 is variant
    assert copy.deepcopy(variant) is variant
    assert pickle.loads(pickle.dumps(variant)) is variant


def test_nothing_is_imported_before_it_is_needed() -> None:
    """A name imports its own family; only a call imports torch."""
    program = """
import sys
from typedvision import models
loaded = lambda: {name for name in sys.modules if name.startswith("typedvision.families.")}
dir(models)
assert not loaded(), loaded()
repr(models.resnet50), models.resnet50.config(), models.resnet50.spec(), models.resnet50.tags
assert {name.split(".")[2] for name in loaded()} == {"resnet"}, loaded()
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.usefixtures("registry")
def test_a_family_of_the_running_program_is_there() -> None:
    class PebbleConfig(ModelConfig):
        """A config."""

    class PebbleFamily(ModelFamily[PebbleConfig, object]):
        key = "pebble"
        title = "Pebble"
        paper = "none"
        capabilities = Capabilities()
        variants: ClassVar = {"pebble_tiny": PebbleConfig(num_classes=7)}

        @classmethod
        def build(cls, cfg: PebbleConfig) -> object:
            raise NotImplementedError

        @classmethod
        def parts(cls, cfg: PebbleConfig) -> Parts:
            raise NotImplementedError

    assert models.pebble_tiny.config() == PebbleConfig(num_classes=7)
    assert "pebble_tiny" in dir(models)
    assert "tags     none: no weights are published" in repr(models.pebble_tiny)
    del models.pebble_tiny
