"""Every published variant by its name: `models.resnet50(num_classes=10)`.

    from typedvision import models

    model = models.resnet50(num_classes=10, replace_stem_pool=True)
    backbone = models.resnet50.backbone(out_indices=(1, 3))
    config = models.resnet50.config(num_classes=10)
    spec = models.resnet50.spec(num_classes=10)

Type checkers and editors know each name, each option and each tag, from generated stubs. A name
imports its family when it is used, and torch only when it is called.
"""

from __future__ import annotations

import inspect
import textwrap
from typing import TYPE_CHECKING, Any

from typedvision import factory
from typedvision.errors import UnknownNameError
from typedvision.registry import index
from typedvision.stubs.options import keywords, options, type_source

if TYPE_CHECKING:
    from typedvision.architecture.backbone import Backbone
    from typedvision.architecture.image_model import ImageModel
    from typedvision.config.base import ModelConfig
    from typedvision.registry.spec import ModelSpec


class _Variant:
    """A published variant: call it for a model, look at it for its options and tags."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.__doc__ = self._document()

    # Any: what the keywords may be stands in the generated stub; `create_model` checks them.
    def __call__(self, **options: Any) -> ImageModel:
        """A model of this variant; see `typedvision.create_model` for the keywords."""
        return factory.create_model(self.name, **options)

    def backbone(self, **options: Any) -> Backbone[ImageModel]:  # as of a call
        """A backbone of this variant; see `typedvision.create_backbone` for the keywords."""
        return factory.create_backbone(self.name, **options)

    def config(self, **options: object) -> ModelConfig:
        """The variant's config with other options; imports no torch."""
        return factory.configure(self.name, **options)

    def spec(self, **options: object) -> ModelSpec:
        """The variant's spec with other options; imports no torch."""
        return factory.specify(self.name, **options)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of the published weights, the default first."""
        return index.tags(self.name)

    @property
    def __signature__(self) -> inspect.Signature:
        """What `help()` and the completion of a REPL show: every keyword, with its default here."""
        shared = inspect.signature(factory.create_model).parameters.values()
        config = self.config()
        kind = inspect.Parameter.KEYWORD_ONLY
        own = [
            inspect.Parameter(name, kind, default=value, annotation=type_source(field.annotation))
            for (name, value), field in zip(config, type(config).model_fields.values(), strict=True)
        ]
        return inspect.Signature([*(one for one in shared if one.kind is kind), *own])

    def _document(self) -> str:
        """What `help()` and a notebook's `?` show: paper, weights, and what each keyword means."""
        family, config = index.family_of(self.name), self.config()
        known = [*keywords(factory.create_model), *options(type(config), [config])]
        lines = [f"    {each.name}: {each.doc}" for each in known]
        head = f"{family.title}, {family.paper}\n\nWeights: {self._weights()}.\n\nArgs:"
        return "\n".join([head, *lines])

    def _weights(self) -> str:
        return ", ".join(self.tags) or "none: no weights are published"

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self.config())
        rows = {
            "family": index.family_of(self.name).key,
            "tags": self._weights(),
            "options": values,
        }
        text = [
            textwrap.fill(value, 100, initial_indent=f"  {title:9}", subsequent_indent=" " * 11)
            for title, value in rows.items()
        ]
        return "\n".join([f"models.{self.name}", *text])

    def __reduce__(self) -> str:
        return self.name  # pickled and copied as what it is: a name of this module


def __getattr__(name: str) -> _Variant:
    if name.startswith("_"):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    try:
        index.family_of(name)
    except UnknownNameError as error:
        present = index.aliases().get(name)
        renamed = f"the model '{name}' is now called '{present}'"
        raise AttributeError(renamed if present else error.summary) from None
    variant = globals()[name] = _Variant(name)
    return variant


def __dir__() -> list[str]:
    return list(index.variants())
