"""The abstract family, and the metaclass that checks, registers and seals each concrete one."""

from __future__ import annotations

import json
import math
import re
import sys
from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar, Generic, Literal, NamedTuple, NoReturn, TypeVar, cast, get_args

from typedvision.config.base import ModelConfig
from typedvision.config.image import ImageSpec
from typedvision.config.names import Resampling
from typedvision.config.weights import PublishedWeights
from typedvision.errors import (
    ConfigError,
    DeclarationError,
    Problem,
    UnknownNameError,
    UsageError,
    problem_count,
)
from typedvision.registry.index import registered

ConfigT = TypeVar("ConfigT", bound=ModelConfig)
ModelT_co = TypeVar("ModelT_co", covariant=True)

RESERVED_OPTIONS = frozenset(
    {
        "model",
        "pretrained",
        "checkpoint_path",
        "device",
        "dtype",
        "seed",
        "limits",
        "offline",
        "cache_dir",
        "out_indices",
        "output_fmt",
    }
)
"""Keywords of the factory, which no config may use."""

_NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")


InputSize = Literal["any", "fixed", "multiple"]
"""Which input sizes a model takes: any, that of its config only, or multiples of a number."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What every model of a family can do."""

    input_size: InputSize = "any"
    """Which input sizes the model takes as it is built by default."""
    global_pool: tuple[str, ...] = ()
    """The kinds of pooling that the head offers."""
    features: bool = True
    """Whether the model offers feature levels."""
    grad_checkpointing: bool = True
    """Whether activations can be recomputed in the backward pass, to save memory."""


@dataclass(frozen=True, slots=True)
class PositionTable:
    """A learned table of position embeddings, shape (1, prefix + rows * columns, width)."""

    path: str
    """The tensor's key."""
    grid: tuple[int, int]
    """Rows and columns of patches that the table is for."""


@dataclass(frozen=True, slots=True)
class RelativeTable:
    """A learned table of relative positions in a window of h rows and w columns, shape
    ((2h - 1) (2w - 1) + extra, heads), or (heads, 2h - 1, 2w - 1); the extra rows are those of a
    token without a place."""

    path: str
    """The tensor's key."""
    window: tuple[int, int]
    """Rows and columns of tokens in the window that the table is for."""

    @property
    def distances(self) -> int:
        """How many distances there are between two tokens of the window, (2h - 1) (2w - 1)."""
        return math.prod(2 * side - 1 for side in self.window)


def within(key: str, paths: Iterable[str]) -> bool:
    """Whether a tensor is at one of these paths, or inside of a module that is."""
    return any(key == path or key.startswith(f"{path}.") for path in paths)


@dataclass(frozen=True, slots=True)
class Parts:
    """The modules and tensors that loading adapts, by their paths in the model."""

    first_conv: tuple[str, ...]
    """Modules whose input channels follow `in_chans`."""
    classifier: tuple[str, ...]
    """Modules whose output features follow `num_classes`."""
    stacked_pixels: int = 1
    """Number of pixels whose channels stand together, one pixel after the other, in the input of
    the first convolutions."""
    position_tables: tuple[PositionTable, ...] = ()
    """Tables whose length follows the input size."""
    relative_tables: tuple[RelativeTable, ...] = ()
    """Tables whose length follows the size of a window."""
    distance_tables: tuple[str, ...] = ()
    """Tables of the distances in a window of h rows and as many columns, shape (heads, h * h)."""
    axis_tables: tuple[str, ...] = ()
    """Tables of the distances along one axis of a map, from -(m - 1) to m - 1, shape
    (2m - 1, width)."""
    patch_kernels: tuple[str, ...] = ()
    """Those of the first convolutions whose kernel follows the patch size."""
    recomputed: tuple[str, ...] = ()
    """Names of buffers, without their module's path, that older checkpoints hold and the model
    computes."""
    optional: tuple[str, ...] = ()
    """Modules that a checkpoint may hold and the model does without."""
    resampling: Resampling = "bicubic"
    """How position tables and patch kernels are brought to another size."""


class FamilyMeta(ABCMeta):
    """Checks a family's declaration, registers it and seals its `build`.

    It discovers, imports and builds nothing. A broken declaration is a `DeclarationError` that
    says what to write instead.
    """

    def __new__(  # noqa: D102
        mcs, name: str, bases: tuple[type, ...], namespace: dict[str, object]
    ) -> FamilyMeta:
        cls = super().__new__(mcs, name, bases, namespace)
        if not any(isinstance(base, FamilyMeta) for base in bases):
            return cls  # ModelFamily itself
        _check_declaration(cls, namespace)
        _seal(cls)
        family = cast("AnyFamily", cls)
        registered[family.key] = family
        return cls

    def __call__(cls, *args: object, **kwargs: object) -> NoReturn:  # noqa: D102
        raise UsageError(
            f"{cls.__name__} is not instantiated: write create_model(name, ...), or "
            f"create_model(config), for a model with initialised weights"
        )


class ModelFamily(Generic[ConfigT, ModelT_co], metaclass=FamilyMeta):
    """One architecture: its config class, its published variants, and the way to build a model.

    A family is a class, never an object. It is declared as

        class ResNetFamily(ModelFamily[ResNetConfig, "ResNet"]):
            key = "resnet"
            ...
    """

    key: ClassVar[str]
    """Name of the family; equal to its folder's."""
    title: ClassVar[str]
    """Name of the architecture as the paper writes it."""
    paper: ClassVar[str]
    """Where the architecture was published."""
    capabilities: ClassVar[Capabilities]
    """What every model of the family can do."""
    variants: ClassVar[Mapping[str, ModelConfig]]
    """The published configs, by name."""

    @classmethod
    @abstractmethod
    def build(cls, cfg: ConfigT) -> ModelT_co:
        """The modules of the model, whose tensors nothing has initialised.

        The metaclass sees to it that `cfg` is valid before this runs. `create_model` calls it on
        the meta device, counts, and initialises what it gives.
        """

    @classmethod
    @abstractmethod
    def parts(cls, cfg: ConfigT) -> Parts:
        """The modules and tensors that loading adapts."""

    @classmethod
    def config_type(cls) -> type[ConfigT]:
        """The family's config class."""
        config: type[ConfigT] = _config_type(cls)
        return config

    @classmethod
    def configure(cls, name: str, /, **options: object) -> ConfigT:
        """The config of a published variant, with other options.

        Raises:
            UnknownNameError: the family publishes no such variant.
            ConfigError: naming every option that is wrong.
        """
        row = cls.variants.get(name)
        if row is None:
            raise UnknownNameError.of("variant", name, cls.variants, owner=cls.key)
        return cls.validate({**dict(row), **options}, given=options, subject=f"'{name}'")

    @classmethod
    def tags(cls, variant: str) -> tuple[str, ...]:
        """The tags of a variant's published weights, the default first."""
        row = _published(cls.__module__, variant)
        return tuple(sorted(row.tags, key=lambda tag: (tag != row.default, tag)))

    @classmethod
    def weights(cls, variant: str, tag: str | None = None) -> PublishedWeights:
        """The published weights of a variant: those of a tag, or the default.

        Raises:
            UnknownNameError: the variant has no such weights.
        """
        row = _published(cls.__module__, variant)
        wanted = row.default if tag is None else tag
        if wanted is not None and wanted in row.tags:
            return _weights(cls.__module__, variant, wanted)
        if tag is None:
            raise UnknownNameError(f"no weights are published for '{variant}'")
        raise UnknownNameError.of("weights", tag, row.tags, owner=variant)

    @classmethod
    def image(cls, variant: str, tag: str | None = None) -> ImageSpec:
        """What a variant expects of an image: by a tag, or by its default tag where it has one.

        Raises:
            UnknownNameError: the variant has no such weights.
        """
        row = _published(cls.__module__, variant)
        if tag is None and not row.tags:
            return ImageSpec.from_options(row.image)
        return cls.weights(variant, tag).image

    @classmethod
    def aliases(cls) -> dict[str, str]:
        """Old names, each with the variant and, where it meant one, the tag that took its place."""
        return {
            old: f"{variant}.{tag}" if tag else variant
            for variant in cls.variants
            for old, tag in _published(cls.__module__, variant).aliases.items()
        }

    @classmethod
    def validate(
        cls,
        options: Mapping[str, object],
        *,
        given: Collection[str] | None = None,
        subject: str | None = None,
    ) -> ConfigT:
        """A config of this family from options, all of them.

        Args:
            options: field names of the config, with their values.
            given: those of the options that the caller wrote, at which conflicts are reported; by
                default all.
            subject: what the options are for, as an error names it.

        Raises:
            ConfigError: naming every option that is wrong.
        """
        config = cls.config_type()
        try:
            return config.from_options(options, given)
        except ConfigError as error:
            count = problem_count(len(error.problems))
            summary = f"{count} in {subject or cls.key} ({config.__name__})"
            raise ConfigError(summary, error.problems) from None


AnyFamily = type[ModelFamily[ModelConfig, object]]
"""A family whose config and model are not known to the type checker."""


class _Published(NamedTuple):
    """A row of `weights.json`; its weights are validated when they are asked for."""

    default: str | None = None
    tags: Mapping[str, Mapping[str, object]] = {}
    image: Mapping[str, object] = {}
    aliases: Mapping[str, str | None] = {}


def _published(module: str, variant: str) -> _Published:
    return _weights_file(module).get(variant, _Published())


@cache
def _weights(module: str, variant: str, tag: str) -> PublishedWeights:
    return PublishedWeights.from_options(_published(module, variant).tags[tag])


@cache
def _weights_file(module: str) -> Mapping[str, _Published]:
    """The `weights.json` that stands beside a family's module; empty where there is none."""
    source = getattr(sys.modules.get(module), "__file__", None)
    path = Path(source).with_name("weights.json") if source else None
    if path is None or not path.is_file():
        return {}
    try:
        document = json.loads(path.read_text("utf-8"))
        return {variant: _Published(**row) for variant, row in document.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise DeclarationError(f"'{path}' cannot be read: {error}") from error


def _config_type(cls: type) -> type:
    """The config class named in `ModelFamily[Config, Model]`, here or in a base."""
    for base in cls.__mro__:
        for generic in base.__dict__.get("__orig_bases__", ()):
            arguments = get_args(generic)
            if arguments and isinstance(arguments[0], type):
                return arguments[0]
    return ModelConfig


def _seal(cls: FamilyMeta) -> None:
    """Wrap `build` so that it takes a valid config of its own class only."""
    method = cls.__dict__.get("build")
    if not isinstance(method, classmethod):
        return  # inherited: sealed where it was written
    build: Callable[[type, ModelConfig], object] = method.__func__

    def sealed(family: AnyFamily, cfg: ModelConfig) -> object:
        config = family.config_type()
        if type(cfg) is not config:
            message = f"must be a {config.__name__}; got {type(cfg).__name__}"
            problem = Problem((), "type", message, cfg)
            raise ConfigError(f"{family.__name__}.build takes a {config.__name__}", [problem])
        return build(family, cfg.checked())

    sealed.__doc__ = build.__doc__
    sealed.__name__ = "build"
    cls.build = classmethod(sealed)  # type: ignore[attr-defined]


def _check_declaration(cls: FamilyMeta, namespace: Mapping[str, object]) -> None:
    """Raise a DeclarationError that names every broken rule and its fix."""
    problems = [
        Problem((path,), "value", message)
        for path, message in [
            *_missing(cls),
            *_key_problems(cls),
            *_config_problems(_config_type(cls)),
            *_row_problems(cls),
        ]
    ]
    if problems:
        count = problem_count(len(problems))
        raise DeclarationError(f"{count} in the declaration of {cls.__name__}", problems)


_Findings = list[tuple[str, str]]


def _missing(cls: FamilyMeta) -> _Findings:
    wanted = ("key", "title", "paper", "capabilities", "variants")
    found = [(name, f"write `{name} = ...`") for name in wanted if not hasattr(cls, name)]
    abstract = sorted(getattr(cls, "__abstractmethods__", ()))
    return found + [(name, f"write `@classmethod def {name}(cls, cfg)`") for name in abstract]


def _key_problems(cls: FamilyMeta) -> _Findings:
    key = getattr(cls, "key", None)
    if key is None:
        return []
    if not isinstance(key, str) or not _NAME.fullmatch(key):
        return [("key", f"must be lower-case words joined by '_'; got {key!r}")]
    package, _, module = cls.__module__.rpartition(".")
    folder = package.rpartition(".")[2]
    if module == "family" and folder != key:
        return [("key", f"must be the folder's name '{folder}'; got '{key}'")]
    other = registered.get(key)
    if other is not None and (other.__module__, other.__qualname__) != (
        cls.__module__,
        cls.__qualname__,
    ):
        return [("key", f"'{key}' is taken by {other.__module__}.{other.__qualname__}")]
    return []


def _config_problems(config: type) -> _Findings:
    if not issubclass(config, ModelConfig) or config is ModelConfig:
        return [("config", "write `class TheFamily(ModelFamily[TheConfig, 'TheModel'])`")]
    found = [
        (name, f"'{name}' is a keyword of the factory: give the field another name")
        for name in sorted(RESERVED_OPTIONS & set(config.model_fields))
    ]
    for name, field in config.model_fields.items():
        if not field.description:
            found.append((name, f"write a docstring below the field '{name}'"))
    return found


def _row_problems(cls: FamilyMeta) -> _Findings:
    rows = getattr(cls, "variants", {})
    if not isinstance(rows, Mapping):
        return [("variants", "must be a dict of name to config")]
    config = _config_type(cls)
    found = []
    for name, row in rows.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            found.append(("variants", f"{name!r} must be lower-case words joined by '_'"))
        if type(row) is not config:
            wanted = config.__name__
            found.append(("variants", f"'{name}' must be a {wanted}; got {type(row).__name__}"))
    return found
