"""The strict, frozen base of every config, and the translation of Pydantic's errors into ours."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Annotated, Generic, NoReturn, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from typedvision.config.features import FeatureSpec
from typedvision.errors import (
    ConfigError,
    Problem,
    ProblemKind,
    did_you_mean,
    problem_count,
    listed,
)

ModelT_co = TypeVar("ModelT_co", covariant=True)

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


def _square_is_one_number(size: int | tuple[int, int]) -> int | tuple[int, int]:
    return size[0] if isinstance(size, tuple) and size[0] == size[1] else size


Size = Annotated[Pixels | tuple[Pixels, Pixels], AfterValidator(_square_is_one_number)]
"""One number for a square, or (height, width); a square pair is stored as one number."""


def to_pair(size: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a size that may be one number."""
    return size if isinstance(size, tuple) else (size, size)


def conflict(message: str, *fields: str) -> NoReturn:
    """Refuse a combination of fields from inside a validator.

    Args:
        message: what cannot go together and what instead; names every field.
        fields: the fields in question, the one to change first.
    """
    raise PydanticCustomError("conflict", "{message}", {"message": message, "fields": list(fields)})


class Config(BaseModel):
    """A frozen, strict set of fields: nothing unknown, nothing converted, nothing infinite.

    `"10"`, `True` and `10.0` are not integers; an `int` is a fine `float`; a list is a fine tuple.

    Raises:
        ConfigError: naming every field that is wrong, never only the first.
    """

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_default=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )

    def __init__(self, /, **options: object) -> None:
        try:
            super().__init__(**options)
        except ValidationError as error:
            problems = problems_of(error, options, type(self))
            name = type(self).__name__
            raise ConfigError(f"{problem_count(len(problems))} in {name}", problems) from None

    # Tells Pydantic that nested validation need not go through this constructor.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: object) -> object:
        return _frozen(data) if isinstance(data, Mapping) else data

    def replace(self, **options: object) -> Self:
        """This config with other options, validated as a whole.

        Raises:
            ConfigError: naming every option that is wrong.
        """
        return type(self)(**{**dict(self), **options})


class Builds(Generic[ModelT_co]):
    """Says, to type checkers only, which model a config builds."""

    __slots__ = ()


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

    def input_size(self) -> int | tuple[int, int] | None:
        """The input size that the architecture fixes; None where it takes any."""
        return None

    def features(self) -> tuple[FeatureSpec, ...]:
        """The feature levels that the model offers, from the input to the output."""
        raise NotImplementedError(f"{type(self).__name__} must say which feature levels it has")


def problems_of(
    error: ValidationError, given: Mapping[str, object], config: type[BaseModel]
) -> tuple[Problem, ...]:
    """Pydantic's findings about `given` as problems, one for each place, in order."""
    problems: dict[tuple[str | int, ...], Problem] = {}
    for detail in error.errors(include_url=False):
        problem = _problem(detail, given, config)
        earlier = problems.get(problem.path)
        if earlier is not None:  # the branches of a union: all of them would have been right
            problem = _either(earlier, problem)
        problems[problem.path] = problem
    return tuple(problems.values())


_RANGES = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
_EXPECTED = {
    "int_type": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a string",
    "tuple_type": "a list",
    "model_type": "an object",
    "dict_type": "an object",
    "none_required": "null",
}


def _problem(detail: ErrorDetails, given: object, config: type[BaseModel]) -> Problem:
    kind, value = detail["type"], detail["input"]
    context = detail.get("ctx", {})
    path = _path(detail["loc"], given)
    if kind == "extra_forbidden":
        names = _field_names(config, path[:-1])
        near = did_you_mean(str(path[-1]), names)
        hint = f"; did you mean {listed(near)}?" if near else ""
        return Problem(path, "unknown", f"no such option{hint}", value, suggestions=near)
    if kind == "missing":
        return Problem(path, "missing", "is required")
    if kind in _RANGES:
        words, bound = _RANGES[kind]
        return Problem(path, "range", f"must be {words} {context[bound]}; got {value!r}", value)
    if kind == "finite_number":
        return Problem(path, "range", f"must be finite; got {value!r}", value)
    if kind == "literal_error":
        allowed = _allowed(context["expected"])
        names = [name for name in allowed if isinstance(name, str)]
        near = did_you_mean(value, names) if isinstance(value, str) else ()
        hint = f"; did you mean {listed(near)}?" if near else ""
        text = f"must be {listed(allowed)}; got {_shown(value)}{hint}"
        return Problem(path, "choice", text, value, allowed, near)
    if kind in ("too_long", "too_short"):
        bound = context.get("max_length", context.get("min_length"))
        words = "at most" if kind == "too_long" else "at least"
        text = f"must have {words} {bound} items; got {context.get('actual_length', 'more')}"
        return Problem(path, "length", text, value)
    if kind == "conflict":
        fields = context["fields"]
        return Problem((*path, fields[0]), "conflict", context["message"], _at(given, (*path, fields[0])))
    if kind in _EXPECTED:
        return Problem(path, "type", f"must be {_EXPECTED[kind]}; got {_shown(value)}", value)
    fallback: ProblemKind = "type" if kind.endswith("_type") else "value"
    return Problem(path, fallback, detail["msg"], value)


def _either(first: Problem, second: Problem) -> Problem:
    """One problem for two branches of a union: `must be an integer or a list; got 'x'`."""
    start, wanted = "must be ", second.message.partition("; got ")[0]
    if first.kind == second.kind == "type" and wanted.startswith(start):
        head, _, got = first.message.partition("; got ")
        message = f"{head} or {wanted.removeprefix(start)}; got {got}"
        return Problem(first.path, "type", message, first.value)
    # A branch that got as far as a bound or a choice is what the caller was aiming at.
    return first if first.kind != "type" else second


def _path(location: tuple[int | str, ...], given: object) -> tuple[int | str, ...]:
    """Pydantic's location without the labels that it adds for the branches of a union."""
    path: list[int | str] = []
    here = given
    for part in location:
        if isinstance(here, (list, tuple)) and isinstance(part, int):
            here = here[part] if part < len(here) else None
        elif isinstance(here, Mapping) and isinstance(part, str):
            here = here.get(part)
        elif isinstance(here, BaseModel) and isinstance(part, str):
            here = getattr(here, part, None)
        else:
            continue
        path.append(part)
    return tuple(path)


def _at(given: object, path: tuple[int | str, ...]) -> object:
    for part in path:
        given = given.get(part) if isinstance(given, Mapping) else getattr(given, str(part), None)
    return given


def _field_names(config: type[BaseModel], path: tuple[int | str, ...]) -> tuple[str, ...]:
    """The fields of the config that stands at `path` inside of `config`."""
    for part in path:
        field = config.model_fields.get(str(part))
        nested = [t for t in _types(field.annotation) if issubclass(t, BaseModel)] if field else []
        if not nested:
            return ()
        config = nested[0]
    return tuple(config.model_fields)


def _types(annotation: object) -> list[type]:
    arguments = getattr(annotation, "__args__", ())
    inner = [found for argument in arguments for found in _types(argument)]
    return inner or ([annotation] if isinstance(annotation, type) else [])


def _allowed(expected: str) -> tuple[object, ...]:
    """Literal values out of Pydantic's sentence: `'a', 'b' or 'c'`."""
    return tuple(ast.literal_eval(part) for part in expected.replace(" or ", ", ").split(", "))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _frozen(value: object) -> object:
    """Lists as tuples, so that configs can be shared, and one zero only."""
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, Mapping):
        return {key: _frozen(item) for key, item in value.items()}
    if isinstance(value, float) and value == 0.0:
        return 0.0
    return value
