"""The schema of a family's `weights.json`: which weights are published, and what they expect."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from typedvision.config.base import Config, Count
from typedvision.config.class_names import ClassSet
from typedvision.config.image import ImageSpec

_Text = Annotated[str, StringConstraints(min_length=1, max_length=1_024)]
_Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class PublishedWeights(Config):
    """One tag: a file of weights, and what images it was trained for."""

    repository: _Text | None = None
    """Hub repository, `owner/name`; None where the weights are not on the hub."""
    file: _Text = "model.safetensors"
    """File in the repository."""
    revision: _Text | None = None
    """Commit of the repository, where it is known."""
    sha256: _Sha256 | None = None
    """Digest of the file, where it is known."""
    num_classes: Count = 0
    """Number of classes of the published classifier; 0 where it has none."""
    image: ImageSpec = ImageSpec()
    """What the weights expect of an image."""
    license: _Text | None = None
    """Licence of the weights, as the hub names it."""
    paper: _Text | None = None
    """Where the training was published."""

    @property
    def class_names(self) -> ClassSet | None:
        """The names of the classes, which follow from their number; None where no set has it."""
        return ClassSet.of_count(self.num_classes)


class WeightsLock(Config):
    """The one file that a tag meant when it was locked."""

    revision: _Commit
    """Commit of the hub repository."""
    size: Annotated[int, Field(ge=1, le=2**53)]
    """Bytes of the file."""
    sha256: _Sha256
    """Digest of the file."""


class VariantWeights(Config):
    """The published weights of one variant."""

    default: str | None
    """The tag that `pretrained=True` means; None where no weights are published."""
    tags: Annotated[dict[str, PublishedWeights], Field(max_length=1_024)]
    """Every tag with its weights."""
    image: ImageSpec = ImageSpec()
    """What the model expects of an image where no weights are published."""
    aliases: Annotated[dict[str, str | None], Field(default_factory=dict, max_length=1_024)]
    """Old names of the variant, each with the tag that it meant; None for no tag in particular."""
