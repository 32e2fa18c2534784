"""The strict, frozen base of every config, and the bounds that its numbers share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from numbers import Integral, Real
from typing import Annotated, ClassVar, Final, Generic, Self, TypeVar
from weakref import WeakValueDictionary

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticKnownError
from pydantic_core.core_schema import no_info_wrap_validator_function, simple_ser_schema

from typedvision.config.features import FeatureSpec
from typedvision.config.problems import Conflict, problems_of, refuse
from typedvision.errors import ConfigError, Problem, problem_count

ConfigT = TypeVar("ConfigT")
PlanT = TypeVar("PlanT")
ModelT_co = TypeVar("ModelT_co", covariant=True)


# Above every call: pyright works through those on the way from `Generic` to here, and an editor
# asks for this class after each edit.
class Builds(Generic[ModelT_co]):
    """Says, to type checkers only, which model a config builds."""

    __slots__ = ()


# Bounds are generous, and always there: no number reaches a constructor unchecked.
Rate = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Channels = Annotated[int, Field(ge=1, le=65_536)]
Depth = Annotated[int, Field(ge=1, le=1_024)]
Heads = Annotated[int, Field(ge=1, le=1_024)]
KernelSize = Annotated[int, Field(ge=1, le=127)]
Ratio = Annotated[float, Field(gt=0.0, le=1_024.0)]
Eps = Annotated[float, Field(gt=0.0, le=1.0)]
Pixels = Annotated[int, Field(ge=1, le=65_536)]


def _no_look_alike(value: object) -> object:
    if isinstance(value, bool | float):  # True and 1.0 equal 1
        raise PydanticKnownError("int_type")
    return value


Whole: Final = BeforeValidator(_no_look_alike)
"""For a choice of integers: `Annotated[Literal[1, 2], Whole]`."""


def square_is_one_number(size: int | tuple[int, int]) -> int | tuple[int, int]:
    """The one way to write a size: a square pair is one number."""
    return size[0] if isinstance(size, tuple) and size[0] == size[1] else size


Size = Annotated[Pixels | tuple[Pixels, Pixels], AfterValidator(square_is_one_number)]
"""One number for a square, or (height, width); a square pair is stored as one number."""


def to_pair(size: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a size that may be one number."""
    return size if isinstance(size, tuple) else (size, size)


class Config(BaseModel):
    """A frozen, strict set of fields: nothing unknown, nothing converted, nothing infinite.

    `"10"`, `True` and `10.0` are not integers; an `int` is a fine `float`; a list is a fine tuple.
    An integer, a number or a truth value of NumPy is stored as Python's.

    Raises:
        ConfigError: naming every field that is wrong, never only the first.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_default=True,
        revalidate_instances="always",  # model_construct and model_copy skip validation
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )

    def __init__(self, /, **options: object) -> None:
        try:
            super().__init__(**options)
        except ValidationError as error:
            raise _config_error(type(self), problems_of(error, options, type(self))) from None

    # Tells Pydantic that nested validation need not go through this constructor.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: object) -> object:
        return _frozen(data, ()) if isinstance(data, Mapping) else data

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        refuse(self.conflicts(), type(self).model_fields)
        _valid[id(self)] = self
        return self

    def conflicts(self) -> Iterator[Conflict]:
        """What cannot go together although each field is valid; a config overrides this."""
        return iter(())

    @classmethod
    def from_options(
        cls, options: Mapping[str, object], given: Collection[str] | None = None
    ) -> Self:
        """The config that these options make; the constructor, for options in a mapping.

        Args:
            options: values for fields.
            given: those of the options that the caller wrote, at which conflicts are reported; by
                default all.

        Raises:
            ConfigError: naming every option that is wrong.
        """
        try:
            return cls.model_validate(dict(options))
        except ValidationError as error:
            raise _config_error(cls, problems_of(error, options, cls, given)) from None

    def replace(self, **options: object) -> Self:
        """This config with other options, validated as a whole.

        Raises:
            ConfigError: naming every option that is wrong.
        """
        return self.from_options({**dict(self), **options}, given=options)

    def checked(self) -> Self:
        """This config, known to be valid: `model_construct` and `model_copy` skip validation.

        What a validation made is given back as it is; anything else is validated now.

        Raises:
            ConfigError: naming every field that is wrong.
        """
        return self if _valid.get(id(self)) is self else self.from_options(dict(self))


_valid: Final[WeakValueDictionary[int, Config]] = WeakValueDictionary()
"""The configs that a validation made, by identity; a copy of one is another."""


class ModelConfig(Config):
    """Every architectural choice of one model, as data.

    A family's config inherits from this class and from `Builds["TheModel"]`.
    """

    num_classes: Count = 1000
    """Number of classes of the classifier; 0 for none, so that the model returns features."""
    in_chans: Channels = 3
    """Number of channels of the input image."""
    drop_rate: Rate = 0.0
    """Dropout probability before the classifier."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """A field of this class holds a config of any family, whole."""
        schema = handler(source)
        if not cls.__pydantic_complete__ or cls is not ModelConfig:
            return schema
        return no_info_wrap_validator_function(
            _as_it_is, schema, serialization=simple_ser_schema("any")
        )

    def input_size(self) -> int | tuple[int, int] | None:
        """The input size that the architecture fixes; None where it takes any."""
        return None

    def input_patches(self) -> tuple[int, int] | None:
        """Height and width of the patches of `Patches`, which the model takes, too; None where it
        takes images only."""
        return None

    def plan(self) -> object:
        """Every stage and block with its numbers, as dataclasses in tuples; None where the fields
        say it all. By it, a model that is too large is refused before it is made."""
        return None

    def features(self) -> tuple[FeatureSpec, ...]:
        """The feature levels that the model offers, from the input to the output."""
        raise NotImplementedError(f"{type(self).__name__} must say which feature levels it has")


def _as_it_is(config: object, validate: ValidatorFunctionWrapHandler) -> object:
    return config.checked() if isinstance(config, ModelConfig) else validate(config)


def planned(plan: Callable[[ConfigT], PlanT]) -> Callable[[ConfigT], PlanT]:
    """A config's method `plan` that works once for each config: the last plans are kept.

    Checking a config, its feature levels, the parts that loading adapts and the model all read its
    plan.
    """
    # By value, not on the config: that is frozen, and `build` gets a validated copy, equal to it.
    return lru_cache(maxsize=64)(plan)


def unpooled_classifier(config: ModelConfig, global_pool: str) -> Iterator[Conflict]:
    """The conflict of a classifier that is given a whole feature map."""
    if config.num_classes and not global_pool:
        yield Conflict(
            "'global_pool' must not be '' where there is a classifier: "
            "set 'num_classes' to 0, or pool",
            "global_pool",
        )


def norm_conflicts(
    norm_layer: str | None, channels: Iterable[int], name: str = "norm_layer"
) -> Iterator[Conflict]:
    """The conflict of a normalisation with the channels of a map, if any.

    Args:
        norm_layer: one by groups takes what 32 of them divide; one by a deviation, two channels.
        channels: of each map that it normalises.
        name: the field that says so.
    """
    if norm_layer in ("groupnorm", "evonorms0"):
        odd = next((count for count in channels if count % 32), None)
        if odd is not None:
            yield Conflict(
                f"'{name}' = '{norm_layer}' cannot divide {odd} channels into 32 groups: "
                "choose other channels, or normalise by 'groupnorm1'",
                name,
            )
    elif norm_layer == "simplenorm2d" and min(channels, default=2) < 2:
        yield Conflict(
            f"'{name}' = 'simplenorm2d' cannot normalise a map of one channel, which has no "
            "deviation: choose other channels, or normalise by 'rmsnorm2d'",
            name,
        )


def norm_group_conflicts(
    norm_layer: str, norm_group_size: int | None, channels: Iterable[int]
) -> Iterator[Conflict]:
    """The conflicts of a normalisation with the size of its groups, and with these channels."""
    if norm_layer not in ("groupnorm", "evonorms0"):
        if norm_group_size is not None:
            yield Conflict(
                f"'norm_group_size' means nothing to 'norm_layer' = '{norm_layer}': leave it out, "
                "or normalise by 'groupnorm'",
                "norm_group_size",
            )
        return
    for odd in (count for count in channels if count % (norm_group_size or 32)):
        parts = "32 groups" if norm_group_size is None else f"groups of {norm_group_size}"
        yield Conflict(
            f"'norm_layer' = '{norm_layer}' cannot divide {odd} channels into {parts}: set another "
            "'norm_group_size'",
            "norm_group_size",
        )
        return


def _config_error(config: type[Config], problems: tuple[Problem, ...]) -> ConfigError:
    return ConfigError(f"{problem_count(len(problems))} in {config.__name__}", problems)


_PLAIN = (str, int, bool, type(None))


def _frozen(value: object, outside: tuple[int, ...]) -> object:
    """The value as plain Python: lists as tuples, so that configs can be shared; one zero only; and
    another library's scalars as numbers.

    `outside` are the ids of what the value stands in; one that stands in itself stays as it is.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is float:
        return value or 0.0  # minus zero is zero
    if isinstance(value, list | tuple | Mapping):
        if id(value) in outside:
            return value
        outside = (*outside, id(value))
    if isinstance(value, list | tuple):
        return tuple([_frozen(item, outside) for item in value])
    if isinstance(value, Mapping):
        return {key: _frozen(item, outside) for key, item in value.items()}
    return _scalar(value)


def _scalar(value: object) -> object:
    """A scalar of another library as Python's; anything else as it is."""
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) or 0.0
    numpy = sys.modules.get("numpy")  # there is no value of NumPy before it is imported
    if numpy is not None and isinstance(value, numpy.bool_):
        return bool(value)
    return value
