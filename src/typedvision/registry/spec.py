"""`ModelSpec`: one model as a JSON document, and back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    SerializeAsAny,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue, models_json_schema
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from typedvision.config.base import ModelConfig, to_pair
from typedvision.config.class_names import ClassSet
from typedvision.config.image import ImageSpec
from typedvision.config.problems import SUGGESTED, Conflict
from typedvision.config.strict_json import MAX_NESTING, nests_within
from typedvision.config.weights import WeightsLock
from typedvision.errors import (
    ConfigError,
    Problem,
    UnknownNameError,
    UsageError,
    did_you_mean,
    listed,
)
from typedvision.registry import index
from typedvision.registry.document import Document, open_document, spec_error
from typedvision.registry.family import RESERVED_OPTIONS, AnyFamily

_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(_[a-z0-9]+)*$", max_length=128)]
_Tag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+$", max_length=128)]
_ClassName = Annotated[
    str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")
]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NAMES_SIZE = 900_000  # bytes of JSON; a document is read as far as MAX_BYTES


def _readable_names(names: tuple[str, ...]) -> tuple[str, ...]:
    if sum(len(json.dumps(name)) + len(",\n    ") for name in names) > _NAMES_SIZE:
        raise ValueError(f"must take at most {_NAMES_SIZE:,} bytes as JSON")
    return names


_ClassNames = Annotated[
    tuple[_ClassName, ...],
    BeforeValidator(lambda names: tuple(names) if isinstance(names, list) else names),
    AfterValidator(_readable_names),
]


def _plain_metadata(metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if not nests_within(metadata, MAX_NESTING - 1):
        raise ValueError(f"must nest at most {MAX_NESTING - 1} levels")
    json.dumps(metadata, allow_nan=False)
    return metadata


def _of_any_family(
    config: object, validate: ValidatorFunctionWrapHandler, info: ValidationInfo
) -> object:
    """A config stays of the class that it is; one that nothing validated is validated now, and
    plain data is a config of the spec's family."""
    if isinstance(config, Mapping):
        return _of_family(info.data.get("family"), config)
    if not isinstance(config, ModelConfig):
        return validate(config)
    try:
        return config.checked()
    except ConfigError:
        return type(config).model_validate(dict(config))  # it raises what Pydantic can place


def _of_family(key: object, options: Mapping[str, object]) -> ModelConfig:
    """The config that plain data makes; what is wrong is told as Pydantic tells it."""
    try:
        family = index.family(str(key))
    except UnknownNameError:
        return ModelConfig()  # the field `family` says what is wrong
    try:
        return family.config_type().from_options(options)
    except ConfigError as error:
        raise ValidationError.from_exception_data(
            error.summary,
            [
                InitErrorDetails(
                    type=PydanticCustomError(problem.kind, "{said}", {"said": problem.message}),
                    loc=problem.path,
                    input=problem.value,
                )
                for problem in error.problems
            ],
        ) from None


class ModelSpec(Document):
    """Everything that rebuilds a model: the family, the full config, and what images it expects.

    A spec names no code, no path, no URL and no option of a loader. Specs are equal when they say
    the same, however they were written.

    Raises:
        ConfigError: naming every field that is wrong.
    """

    family: _Name
    """Key of the family that builds the model."""
    config: Annotated[SerializeAsAny[ModelConfig], WrapValidator(_of_any_family)]
    """The full config; its schema is the family's."""
    variant: _Name | None = None
    """The published variant that the config started from."""
    tag: _Tag | None = None
    """The published weights of that variant."""
    lock: WeightsLock | None = None
    """The one file that those weights are; compared on every load."""
    image: ImageSpec = ImageSpec()
    """What the model expects of its input image."""
    class_names: _ClassNames | ClassSet | None = None
    """The name of each class, in the classifier's order, or the key of a set that has them; None
    where they are not known."""
    metadata: Annotated[dict[str, JsonValue], AfterValidator(_plain_metadata)] = Field(
        default_factory=dict
    )
    """The user's own keys; never read by the library."""

    @classmethod
    def from_config(
        cls, config: ModelConfig, *, variant: str | None = None, tag: str | None = None
    ) -> Self:
        """The spec of a config, with the preprocessing of the weights that it names.

        Args:
            config: a config of a registered family.
            variant: the published variant that the config started from.
            tag: its published weights; by default the variant's default tag decides the
                preprocessing, and the spec names no tag.

        Raises:
            UnknownNameError: no family has this class of config, or the variant no such tag.
            ConfigError: the config is not valid.
        """
        family = index.family_of_config(type(config))
        config = config.checked()
        image = ImageSpec() if variant is None else family.image(variant, tag)
        row = family.variants.get(variant) if variant is not None else None
        image = _image_for(config, image, row)
        return cls(family=family.key, config=config, variant=variant, tag=tag, image=image)

    @classmethod
    def from_dict(cls, document: object) -> Self:
        """Read a spec from a decoded JSON document.

        Fields of the config that the document leaves out have the family's defaults.

        Raises:
            SpecError: naming every problem, with its path in the document.
        """
        fields, head = open_document(document)
        if "model" in fields and "family" not in fields:
            raise spec_error([Problem((), "value", "is of a backbone: BackboneSpec reads it")])
        config, problems = _read_config(fields)
        spec = None
        try:
            spec = cls.from_options({**fields, "config": config or ModelConfig()})
        except ConfigError as error:
            said = {problem.path for problem in problems}
            found = [problem for problem in error.problems if problem.path not in said]
            if config is None:  # its stand-in has nothing to say
                found = [problem for problem in found if problem.path[:1] != ("config",)]
            problems = [*found, *problems]
        if head or problems or spec is None:
            raise spec_error([*head, *problems])
        return spec

    def __hash__(self) -> int:  # type checkers take a Pydantic model to have none
        return super().__hash__()

    @property
    def subject(self) -> str:
        """What a sentence calls the model: its variant, or its family."""
        return self.variant or self.family

    @staticmethod
    def json_schema() -> dict[str, object]:
        """The JSON Schema of the documents that `from_json` reads, for editors."""
        return spec_schema()

    def to_dict(self) -> dict[str, object]:
        """The document as plain data, with every default written out.

        `lock` and `class_names` are there only if they hold something, and `image` leaves its
        channels to the config, so that a document which says no more has the digest that it had
        before there were such fields.
        """
        unsaid = {name for name in ("lock", "class_names") if getattr(self, name) is None}
        return self.model_dump(
            mode="json", exclude={"image": {"channels"}, **dict.fromkeys(unsaid, True)}
        )

    def with_options(self, **options: object) -> Self:
        """This spec with other options of its config; what images it expects follows.

        Tag and lock stay: the weights are the same file, adapted to the options. The names of the
        classes go where their number changes: these are others.

        Raises:
            ConfigError: naming every option that is wrong.
        """
        config = configure_family(
            index.family(self.family),
            {**dict(self.config), **options},
            subject=f"'{self.subject}'",
            given=options,
        )
        image = _image_for(config, self.image, self.config)
        same_classes = config.num_classes == self.config.num_classes
        names = self.class_names if same_classes else None
        return self.replace(config=config, image=image, class_names=names)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: object) -> object:
        return data  # nothing to freeze here: metadata stays as the user wrote it

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """`family` decides by which schema `config` is checked."""
        reference = handler(schema)
        spec = handler.resolve_ref_schema(reference)
        families = index.families()
        fields = spec["properties"]
        fields["family"]["enum"] = list(families)
        fields["config"] = {"type": "object", "description": fields["config"]["description"]}
        spec["allOf"] = [
            {
                "if": {"properties": {"family": {"const": key}}, "required": ["family"]},
                "then": {
                    "properties": {
                        "config": handler(family.config_type().__pydantic_core_schema__),
                        "variant": {"examples": list(family.variants)},
                    }
                },
            }
            for key, family in families.items()
        ]
        return reference

    @field_validator("image")
    @classmethod
    def _one_value_serves(cls, image: ImageSpec, info: ValidationInfo) -> ImageSpec:
        config = info.data.get("config")
        if isinstance(config, ModelConfig) and len(image.mean) == len(image.std) == 1:
            return image.for_channels(config.in_chans)
        return image

    def conflicts(self) -> Iterator[Conflict]:
        """What does not agree with the rest of the document."""
        try:
            family = index.family(self.family)
        except UnknownNameError as error:
            yield Conflict(error.summary, "family")
        else:
            wanted = family.config_type()
            if type(self.config) is not wanted:
                yield Conflict(
                    f"'config' must be a {wanted.__name__}, as the family says", "config"
                )
            yield from self._unpublished(family)
        if self.tag is not None and self.variant is None:
            yield Conflict("'tag' needs a 'variant' whose weights it names", "tag")
        if self.lock is not None and self.tag is None:
            yield Conflict("'lock' needs a 'tag' whose file it is", "lock")
        for field in ("mean", "std"):
            count = len(getattr(self.image, field))
            if count not in (1, self.config.in_chans):
                yield Conflict(
                    f"'image.{field}' has {count} values for 'config.in_chans' = "
                    f"{self.config.in_chans}: give one value, or one for each channel",
                    "image",
                )
        if self.class_names is not None and len(self.class_names) != self.config.num_classes:
            yield Conflict(
                f"'class_names' are {len(self.class_names)} for 'config.num_classes' = "
                f"{self.config.num_classes}: give one for each class, or none",
                "class_names",
            )

    def _unpublished(self, family: AnyFamily) -> Iterator[Conflict]:
        """A variant, or a tag of it, that the family does not publish."""
        if self.variant is None:
            return
        if self.variant not in family.variants:
            unknown = UnknownNameError.of(
                "variant", self.variant, family.variants, owner=family.key
            )
            yield Conflict(unknown.summary, "variant")
        elif self.tag is not None and self.tag not in (tags := family.tags(self.variant)):
            unknown = UnknownNameError.of("weights", self.tag, tags, owner=self.variant)
            yield Conflict(unknown.summary, "tag", tags)


def _image_for(config: ModelConfig, image: ImageSpec, base: ModelConfig | None) -> ImageSpec:
    """The preprocessing of a base, with a config's channels, and its size if the base has none or
    another."""
    image, size = image.for_channels(config.in_chans), _img_size(config)
    if size is None or (base is not None and size == _img_size(base)):
        return image
    return image.replace(size=size)


def _img_size(config: ModelConfig) -> tuple[int, int] | None:
    """The image size that a config names, whether it takes others or not; None if it names none."""
    size = config.input_size() or getattr(config, "img_size", None)
    return None if size is None else to_pair(size)


def config_for(name: str, options: Mapping[str, object]) -> ModelConfig:
    """The config of a published variant, with other options.

    Args:
        name: name of the variant, with or without the tag of its weights, which decides the
            number of classes.
        options: other values for the fields of the config.

    Raises:
        UnknownNameError: nobody publishes the name, or the tag.
        ConfigError: naming every option that is wrong.
    """
    return _configured(*index.present_name(name), options)


def spec_for(model: object, options: Mapping[str, object]) -> ModelSpec:
    """The spec of a name, a config or a spec, with other options.

    Raises:
        UnknownNameError: nobody publishes the name, or the tag.
        ConfigError: naming every option that is wrong.
        UsageError: `model` is something else.
    """
    if isinstance(model, ModelSpec):
        return model.checked().with_options(**options)
    if isinstance(model, ModelConfig):
        if options:
            family = index.family_of_config(type(model))
            changed = {**dict(model), **options}
            model = configure_family(family, changed, f"'{family.key}'", given=options)
        return ModelSpec.from_config(model)
    if isinstance(model, str):
        variant, tag = index.present_name(model)
        return ModelSpec.from_config(_configured(variant, tag, options), variant=variant, tag=tag)
    raise UsageError(f"a model is a name, a config or a ModelSpec; got {type(model).__name__}")


def _configured(variant: str, tag: str | None, options: Mapping[str, object]) -> ModelConfig:
    family = index.family_of(variant)
    row: dict[str, object] = dict(family.variants[variant])
    if tag is not None:
        row["num_classes"] = family.weights(variant, tag).num_classes
    return configure_family(family, {**row, **options}, f"'{variant}'", given=options)


def configure_family(
    family: AnyFamily,
    options: Mapping[str, object],
    subject: str,
    given: Collection[str] | None = None,
) -> ModelConfig:
    """A family's config; an error says which families accept the unknown options.

    Args:
        family: whose config.
        options: field names of the config, with their values.
        subject: what the options are for, as an error names it.
        given: those of the options that the caller wrote, at which conflicts are reported; by
            default all.

    Raises:
        ConfigError: naming every option that is wrong.
    """
    try:
        return family.validate(options, given=given, subject=subject)
    except ConfigError as error:
        raise explained(error) from None


def explained(error: ConfigError, keywords: Iterable[str] = ()) -> ConfigError:
    """The error, with where else its unknown options belong.

    Args:
        error: what is wrong with the options of a config.
        keywords: what the call takes beside the options; one of them may have been meant.
    """
    if len(error.problems) > SUGGESTED:
        return error
    names = tuple(keywords)
    return ConfigError(error.summary, [_explained(problem, names) for problem in error.problems])


_EXPORTS = "every model exports as it is (export_model)"
_ELSEWHERE = {
    **dict.fromkeys(RESERVED_OPTIONS, "create_model takes it"),
    "features_only": "feature levels come from create_backbone",
    "out_indices": "create_backbone takes it",
    "output_fmt": "create_backbone takes it",
    "pretrained_cfg": "pretrained= takes the tag, and a spec the preprocessing",
    "pretrained_cfg_overlay": "checkpoint_path= takes the file, and a spec the preprocessing",
    "scriptable": _EXPORTS,
    "exportable": _EXPORTS,
    "no_jit": _EXPORTS,
}
"""What is no option of any config, although callers write it, and who does it here."""


def _explained(problem: Problem, keywords: tuple[str, ...]) -> Problem:
    if problem.kind != "unknown" or len(problem.path) != 1:
        return problem
    option = str(problem.path[0])
    near = did_you_mean(option, [*problem.suggestions, *keywords])
    owners = index.owners(option)
    elsewhere = f"accepted by {', '.join(owners)}" if owners else _ELSEWHERE.get(option)
    hint = f"did you mean {listed(near)}?" if near else None
    message = "; ".join(filter(None, ["no such option", elsewhere, hint]))
    return dataclasses.replace(problem, message=message, suggestions=near)


def _read_config(fields: Mapping[str, object]) -> tuple[ModelConfig | None, list[Problem]]:
    """The config inside of a document, or what is wrong with it."""
    key, options = fields.get("family"), fields.get("config")
    if "config" not in fields:
        return None, [Problem(("config",), "missing", "is required")]
    if not isinstance(key, str):
        return None, []  # the spec's own fields say so
    if not isinstance(options, Mapping):
        return None, [Problem(("config",), "type", "must be an object", options)]
    try:
        return configure_family(index.family(key), options, subject=f"'{key}'"), []
    except UnknownNameError as error:
        problem = error.problems[0]
        return None, [dataclasses.replace(problem, path=("family",), message=error.summary)]
    except ConfigError as error:
        return None, [
            dataclasses.replace(problem, path=("config", *problem.path))
            for problem in error.problems
        ]


def spec_schema() -> dict[str, object]:
    """The JSON Schema of the documents that `ModelSpec.from_json` reads.

    `family` decides by which schema `config` is checked. What depends on two fields no schema says:
    a document may fit and still be refused.
    """
    references, document = models_json_schema([(ModelSpec, "validation")])
    definitions = document["$defs"]
    spec = definitions.pop(references[ModelSpec, "validation"]["$ref"].removeprefix("#/$defs/"))
    definitions.pop(ModelConfig.__name__, None)  # the abstract one; a family has its own
    return {
        "$schema": DIALECT,
        "title": "Model spec",
        "description": "Everything that rebuilds a model of images, for typedvision.",
        "type": "object",
        "properties": {
            "$schema": {"type": "string", "description": "Where editors find this schema."},
            **spec["properties"],
        },
        "required": ["schema_version", "family", "config"],
        "additionalProperties": False,
        "allOf": spec["allOf"],
        "$defs": definitions,
    }
