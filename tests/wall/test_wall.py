"""What describes a model never loads torch, and the package itself loads nothing but Python's own.

Each test is a process of its own: another test may have loaded anything.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

import typedvision as tv

HEAVY = ("torch", "numpy", "safetensors.torch", "PIL", "torchvision", "timm")
LOADED = f"""
import sys
loaded = [name for name in {HEAVY} if name in sys.modules]
assert not loaded, loaded
"""


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_importing_the_package_loads_pythons_own_modules_only() -> None:
    code = """
import sys
before = set(sys.modules)
import typedvision
dir(typedvision), typedvision.__version__
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(new - sys.stdlib_module_names - {"typedvision"}))
"""
    assert run(code) == "[]\n"


def test_the_errors_load_pythons_own_modules_only() -> None:
    code = """
import sys
from typedvision import ConfigError, Problem, UnknownNameError
print(sorted({"pydantic", "torch", "numpy"} & set(sys.modules)))
"""
    assert run(code) == "[]\n"


DESCRIPTIONS = [
    "tv.list_models()",
    "tv.list_models('*', tags=True, accepts='in_chans')",
    "[tv.configure(name, num_classes=3) for name in NAMES]",
    "[tv.family(name).parts(tv.configure(name)) for name in NAMES]",
    "[tv.configure(name).features() for name in NAMES]",
    "tv.accepts(NAMES[0], 'qkv_bias')",
    "[tv.specify(name, num_classes=3).digest() for name in NAMES]",
    "[tv.ModelSpec.from_json(tv.specify(name).to_json()) for name in NAMES]",
    "tv.ModelSpec.json_schema()",
    "tv.ImageSpec(), tv.Limits(), tv.Capabilities(), tv.DEFAULT_LIMITS",
    "tv.ModelConfig, tv.Config, tv.ModelFamily, tv.Parts, tv.FeatureSpec",
    "[tv.BackboneSpec(model=tv.specify(name), out_indices=[-1]).channels for name in NAMES]",
    "refused(tv.ConfigError, tv.create_backbone, NAMES[0], out_indices=(999,))",
    "tv.models, tv.models.__dir__(), getattr(tv.models, NAMES[0]).spec(num_classes=3)",
    "refused(tv.ConfigError, tv.create_model, NAMES[0], num_clases=3)",
    "refused(tv.ConfigError, tv.create_model, tv.specify(NAMES[0]), in_chans='3')",
    "refused(tv.ConfigError, tv.configure, NAMES[0], num_classes=-1).to_json()",
    "refused(tv.UnknownNameError, tv.create_model, 'ResNet-5O')",
    "refused(tv.UsageError, tv.create_model, 3)",
    "refused(tv.UsageError, tv.create_model, NAMES[0], limits=3)",
    "refused(tv.UsageError, tv.create_model, NAMES[0], dtype='float16')",
    "refused(tv.UsageError, tv.create_model, NAMES[0], pretrained=1)",
    "refused(tv.WeightsError, tv.create_model, NAMES[0], checkpoint_path='nothing')",
    "refused(tv.UsageError, tv.family(NAMES[0]))",
    "refused(tv.SpecError, tv.ModelSpec.from_json, '{}')",
]


def test_descriptions_load_no_torch() -> None:
    preamble = f"""
import sys
import typedvision as tv

def refused(error, call, *arguments, **keywords):
    try:
        call(*arguments, **keywords)
    except error as caught:
        return caught
    raise SystemExit(f"no {{error.__name__}}")

FAMILIES = {{tv.specify(name).family for name in tv.list_models()}}
NAMES = [tv.list_models(family=key)[0] for key in FAMILIES]
assert NAMES
for code in {DESCRIPTIONS!r}:
    eval(code)
    loaded = [name for name in {HEAVY} if name in sys.modules]
    assert not loaded, f"{{code}} loads {{loaded}}"
"""
    run(preamble)


def test_building_does_load_torch() -> None:
    name = tv.list_models("test_*")[0]
    code = f"import typedvision as tv\ntv.create_model({name!r}, device='meta')\n{LOADED}"
    with pytest.raises(AssertionError, match="torch"):
        run(code)


def test_creating_a_model_does_not_load_the_compiler() -> None:
    """Half a second and more: sympy alone, which `torch.empty_like` of a meta tensor imports."""
    name = tv.list_models("test_*")[0]
    run(
        f"import sys\nimport typedvision as tv\ntv.create_model({name!r}).reset_classifier(3)\n"
        "loaded = {'sympy', 'torch._dynamo'} & sys.modules.keys()\nassert not loaded, loaded"
    )


PUBLIC = [
    "Backbone",
    "BackboneSpec",
    "Capabilities",
    "ClassScore",
    "Config",
    "ConfigError",
    "Conflict",
    "DEFAULT_LIMITS",
    "DeclarationError",
    "EvaluationTransform",
    "ExportError",
    "ExportReport",
    "FeatureSpec",
    "ImageError",
    "ImageModel",
    "ImageSpec",
    "InferenceModel",
    "LevelSummary",
    "LimitError",
    "Limits",
    "LoadReport",
    "ModelConfig",
    "ModelFamily",
    "ModelSpec",
    "ModelSummary",
    "OptimizeError",
    "OptimizeReport",
    "Parts",
    "PatchTrainingTransform",
    "PatchTransform",
    "Patches",
    "PositionTable",
    "Prediction",
    "Problem",
    "RelativeTable",
    "SpecError",
    "TrainingTransform",
    "TypedVisionError",
    "UnknownNameError",
    "UsageError",
    "WeightsError",
    "WeightsLock",
    "__version__",
    "accepts",
    "configure",
    "convert",
    "create_backbone",
    "create_model",
    "export_model",
    "family",
    "fuse",
    "inspect",
    "list_models",
    "load_backbone",
    "load_model",
    "load_weights",
    "make_transform",
    "models",
    "optimize",
    "parameter_groups",
    "predict",
    "save_model",
    "specify",
    "summarize",
]
"""Every public name: adding one is a decision, and taking one away breaks somebody's program."""


def test_the_public_names_are_these() -> None:
    assert sorted(tv.__all__) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_there(name: str) -> None:
    assert getattr(tv, name) is not None
    assert name in dir(tv)


def test_a_name_that_is_not_public_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'typedvision' has no attribute 'resnet50'"):
        _ = tv.resnet50  # type: ignore[attr-defined]
