"""The factory: from a name, a spec or a config to a model. The only way there is this one:

name or spec -> config, validated -> model on the meta device -> counted -> loaded or initialised.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, TypeVar, overload

from typedvision.config.base import Builds, ModelConfig
from typedvision.config.limits import DEFAULT_LIMITS, Limits
from typedvision.registry import index
from typedvision.registry.backbone import BackboneSpec, backbone_spec_for
from typedvision.registry.spec import ModelSpec, config_for, spec_for
from typedvision.weights.options import LoadOptions
from typedvision.weights.resolve import with_published_names

if TYPE_CHECKING:
    import torch

    from typedvision.architecture.backbone import Backbone
    from typedvision.architecture.image_model import ImageModel
    from typedvision.config.names import OutputFormat
    from typedvision.registry.family import AnyFamily

ModelT = TypeVar("ModelT")
ImageModelT = TypeVar("ImageModelT", bound="ImageModel")


@overload
def create_model(
    model: Builds[ModelT],
    *,
    pretrained: bool | str = False,
    checkpoint_path: str | PathLike[str] | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    seed: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    offline: bool = False,
    cache_dir: str | PathLike[str] | None = None,
    **options: object,
) -> ModelT: ...


@overload
def create_model(
    model: str | ModelSpec,
    *,
    pretrained: bool | str = False,
    checkpoint_path: str | PathLike[str] | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    seed: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    offline: bool = False,
    cache_dir: str | PathLike[str] | None = None,
    **options: object,
) -> ImageModel: ...


def create_model(
    model: object,
    *,
    pretrained: bool | str = False,
    checkpoint_path: str | PathLike[str] | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    seed: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    offline: bool = False,
    cache_dir: str | PathLike[str] | None = None,
    **options: object,
) -> object:
    """Make a model, with initialised, published or your own weights.

    Everything is validated before torch is imported, and counted before memory is taken or
    anything is downloaded.

    Args:
        model: a name (`"resnet50"`), a name with the tag of its weights (`"resnet50.a1_in1k"`), a
            hub repository (`"hf-hub:owner/name@revision"`), a `ModelSpec`, or a config.
        pretrained: whether to load the published weights: those of the tag, the repository, or the
            default; or the tag itself.
        checkpoint_path: load the weights of this safetensors file, or of this folder.
        device: where the weights live; `"meta"` gives a model without weights. By default
            PyTorch's default device.
        dtype: type of the weights; by default PyTorch's default.
        seed: the same seed gives the same weights, whatever was built before. By default PyTorch's
            seed (`torch.manual_seed`), which is read and not advanced.
        limits: refuse a larger model.
        offline: open no socket; what is not in the cache is an error.
        cache_dir: where downloads are kept; by default where `huggingface_hub` keeps them.
        **options: other values for the fields of the config, such as `num_classes=10`.

    Returns:
        A model in training mode; `model.load_report` says what was loaded, and what was adapted
        to the options.

    Raises:
        UnknownNameError: nobody publishes the name.
        ConfigError: naming every option that is wrong.
        LimitError: the model is larger than `limits`.
        WeightsError: the weights cannot be had, or do not fit the model.
        UsageError: the arguments make no sense together.
    """
    loading = LoadOptions(
        pretrained, checkpoint_path, device, dtype, seed, limits, offline, cache_dir
    )
    spec, weights = loading.read(model, options, create_model.__kwdefaults__ or ())

    from typedvision.architecture.build import build_model  # the wall: torch starts here

    built = build_model(with_published_names(spec, weights), limits)
    loading.fill(built, weights)
    return built


@overload
def create_backbone(
    model: Builds[ImageModelT],
    *,
    out_indices: Sequence[int] | None = None,
    output_fmt: OutputFormat | None = None,
    pretrained: bool | str = False,
    checkpoint_path: str | PathLike[str] | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    seed: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    offline: bool = False,
    cache_dir: str | PathLike[str] | None = None,
    **options: object,
) -> Backbone[ImageModelT]: ...


@overload
def create_backbone(
    model: str | ModelSpec | BackboneSpec,
    *,
    out_indices: Sequence[int] | None = None,
    output_fmt: OutputFormat | None = None,
    pretrained: bool | str = False,
    checkpoint_path: str | PathLike[str] | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    seed: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    offline: bool = False,
    cache_dir: str | PathLike[str] | None = None,
    **options: object,
) -> Backbone[ImageModel]: ...


def create_backbone(
    model: object,
    *,
    out_indices: Sequence[int] | None = None,
    output_fmt: OutputFormat | None = None,
    pretrained: bool | str = False,
    checkpoint_path: str | PathLike[str] | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    seed: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    offline: bool = False,
    cache_dir: str | PathLike[str] | None = None,
    **options: object,
) -> object:
    """Make a backbone: a model that gives its feature levels, one tensor each.

    The levels are validated before torch is imported; layers past the last of them take no memory.

    Args:
        model: what `create_model` takes, or a `BackboneSpec`.
        out_indices: the levels, in the order in which they shall come out; negative ones count
            from the last. By default those of the `BackboneSpec`, or all.
        output_fmt: layout of each level: maps (N, C, H, W) or (N, H, W, C), or tokens (N, L, C). By
            default that of the `BackboneSpec`, or `"NCHW"`.
        pretrained: whether to load the published weights: those of the tag, the repository, or the
            default; or the tag itself.
        checkpoint_path: load the weights of this safetensors file, or of this folder: of the model
            or of a backbone.
        device: where the weights live; `"meta"` gives a model without weights. By default
            PyTorch's default device.
        dtype: type of the weights; by default PyTorch's default.
        seed: the same seed gives the same weights, those of the model. By default PyTorch's seed
            (`torch.manual_seed`), which is read and not advanced.
        limits: refuse a larger backbone.
        offline: open no socket; what is not in the cache is an error.
        cache_dir: where downloads are kept; by default where `huggingface_hub` keeps them.
        **options: other values for the fields of the config, such as `in_chans=1`.

    Returns:
        A backbone in training mode; `backbone.load_report` says what was loaded.

    Raises:
        UnknownNameError: nobody publishes the name.
        ConfigError: naming every option, or every level, that is wrong.
        LimitError: the backbone is larger than `limits`.
        WeightsError: the weights cannot be had, or do not fit the model.
        UsageError: the arguments make no sense together.
    """
    loading = LoadOptions(
        pretrained, checkpoint_path, device, dtype, seed, limits, offline, cache_dir
    )
    given = model.checked() if isinstance(model, BackboneSpec) else None
    keywords = create_backbone.__kwdefaults__ or ()
    model_spec, weights = loading.read(given.model if given else model, options, keywords)
    spec = backbone_spec_for(model_spec, out_indices, output_fmt, given)

    from typedvision.architecture.build import build_backbone  # the wall: torch starts here

    backbone = build_backbone(spec, limits)
    loading.fill(backbone.model, weights)
    return backbone


def configure(name: str, **options: object) -> ModelConfig:
    """The config of a published variant, with other options; imports no torch.

    Args:
        name: name of the variant, `"resnet50"`, with or without the tag of its weights.
        **options: other values for the fields of the config.

    Raises:
        UnknownNameError: nobody publishes the name, or the tag.
        ConfigError: naming every option that is wrong.
    """
    return config_for(name, options)


def specify(model: object, **options: object) -> ModelSpec:
    """The spec of a name, a config or a spec, with other options; imports no torch.

    Args:
        model: a name (`"resnet50"` or, with the tag of its weights, `"resnet50.a1_in1k"`), a
            config, or a `ModelSpec`. timm's old names work, with a DeprecationWarning.
        **options: other values for the fields of the config.

    Raises:
        UnknownNameError: nobody publishes the name, or the tag.
        ConfigError: naming every option that is wrong.
        UsageError: `model` is something else.
    """
    return spec_for(model, options)


def family(name: str) -> AnyFamily:
    """The family of that key, or the one that publishes the model of that name; no torch.

    Raises:
        UnknownNameError: there is neither.
    """
    if name in index.family_keys():
        return index.family(name)
    variant, _ = index.present_name(name)
    key = index.family_key(variant)
    if key is None:
        raise index.unknown("model or family", variant, [*index.family_keys(), *index.variants()])
    return index.family(key)


def accepts(name: str, option: str) -> bool:
    """Whether the model or family of that name has an option; imports no torch.

    Raises:
        UnknownNameError: there is no such model or family.
    """
    return option in family(name).config_type().model_fields
