"""Image models by typed, strict configs: the successor to `timm.create_model`.

    import typedvision as tv

    model = tv.create_model("resnet50", num_classes=10)
    spec = model.spec.to_json()

Importing this package imports the standard library only; each name below loads what it needs when
it is first used.
"""

from __future__ import annotations

from importlib import import_module

from typedvision._version import __version__

TYPE_CHECKING = False  # as in `typing`, whose import takes longer than the rest of this one

if TYPE_CHECKING:
    from typedvision import models
    from typedvision.architecture.backbone import Backbone
    from typedvision.architecture.fuse import fuse
    from typedvision.architecture.groups import parameter_groups
    from typedvision.architecture.image_model import ImageModel
    from typedvision.architecture.summary import LevelSummary, ModelSummary, summarize
    from typedvision.config.base import Config, ModelConfig
    from typedvision.config.features import FeatureSpec
    from typedvision.config.image import ImageSpec
    from typedvision.config.limits import DEFAULT_LIMITS, Limits
    from typedvision.config.problems import Conflict
    from typedvision.config.weights import WeightsLock
    from typedvision.errors import (
        ConfigError,
        DeclarationError,
        ExportError,
        ImageError,
        LimitError,
        OptimizeError,
        Problem,
        SpecError,
        TypedVisionError,
        UnknownNameError,
        UsageError,
        WeightsError,
    )
    from typedvision.export import ExportReport, export_model
    from typedvision.factory import (
        accepts,
        configure,
        create_backbone,
        create_model,
        family,
        specify,
    )
    from typedvision.inference.model import InferenceModel, OptimizeReport
    from typedvision.inference.optimize import optimize
    from typedvision.layers.patches import Patches
    from typedvision.prediction import ClassScore, Prediction, predict
    from typedvision.preprocess.patches import PatchTransform
    from typedvision.preprocess.training import PatchTrainingTransform, TrainingTransform
    from typedvision.preprocess.transform import EvaluationTransform, make_transform
    from typedvision.registry.backbone import BackboneSpec
    from typedvision.registry.family import (
        Capabilities,
        ModelFamily,
        Parts,
        PositionTable,
        RelativeTable,
    )
    from typedvision.registry.listing import list_models
    from typedvision.registry.spec import ModelSpec
    from typedvision.weights.convert import convert
    from typedvision.weights.inspect import inspect
    from typedvision.weights.load import load_backbone, load_model, load_weights
    from typedvision.weights.plan import LoadReport
    from typedvision.weights.save import save_model

_HOME = {
    "Backbone": "architecture.backbone",
    "BackboneSpec": "registry.backbone",
    "Capabilities": "registry.family",
    "ClassScore": "prediction",
    "Config": "config.base",
    "ConfigError": "errors",
    "Conflict": "config.problems",
    "DEFAULT_LIMITS": "config.limits",
    "DeclarationError": "errors",
    "EvaluationTransform": "preprocess.transform",
    "ExportError": "errors",
    "ExportReport": "export",
    "FeatureSpec": "config.features",
    "ImageError": "errors",
    "ImageModel": "architecture.image_model",
    "ImageSpec": "config.image",
    "InferenceModel": "inference.model",
    "LimitError": "errors",
    "LevelSummary": "architecture.summary",
    "Limits": "config.limits",
    "LoadReport": "weights.plan",
    "ModelConfig": "config.base",
    "ModelFamily": "registry.family",
    "ModelSpec": "registry.spec",
    "ModelSummary": "architecture.summary",
    "OptimizeError": "errors",
    "OptimizeReport": "inference.model",
    "Parts": "registry.family",
    "PatchTrainingTransform": "preprocess.training",
    "PatchTransform": "preprocess.patches",
    "Patches": "layers.patches",
    "PositionTable": "registry.family",
    "Prediction": "prediction",
    "Problem": "errors",
    "RelativeTable": "registry.family",
    "SpecError": "errors",
    "TrainingTransform": "preprocess.training",
    "TypedVisionError": "errors",
    "UnknownNameError": "errors",
    "UsageError": "errors",
    "WeightsError": "errors",
    "WeightsLock": "config.weights",
    "accepts": "factory",
    "configure": "factory",
    "convert": "weights.convert",
    "create_backbone": "factory",
    "create_model": "factory",
    "export_model": "export",
    "family": "factory",
    "fuse": "architecture.fuse",
    "inspect": "weights.inspect",
    "list_models": "registry.listing",
    "load_backbone": "weights.load",
    "load_model": "weights.load",
    "load_weights": "weights.load",
    "make_transform": "preprocess.transform",
    "optimize": "inference.optimize",
    "parameter_groups": "architecture.groups",
    "predict": "prediction",
    "save_model": "weights.save",
    "specify": "factory",
    "summarize": "architecture.summary",
}

__all__ = [
    "DEFAULT_LIMITS",
    "Backbone",
    "BackboneSpec",
    "Capabilities",
    "ClassScore",
    "Config",
    "ConfigError",
    "Conflict",
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


def __getattr__(name: str) -> object:
    if name == "models":
        return import_module("typedvision.models")
    if name not in _HOME:
        raise AttributeError(f"module 'typedvision' has no attribute '{name}'")
    value: object = getattr(import_module(f"typedvision.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
