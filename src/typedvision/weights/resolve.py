"""Finds which file holds the weights that a call means; imports no torch."""

from __future__ import annotations

from os import PathLike

from typedvision.config.strict_json import MAX_BYTES, parse_json
from typedvision.errors import SpecError, UsageError, WeightsError
from typedvision.registry import index
from typedvision.registry.spec import ModelSpec
from typedvision.weights.fetch import HUB_SCHEME, HubFile, fetch, find, parse_repository
from typedvision.weights.files import read_bytes
from typedvision.weights.inspect import inspect
from typedvision.weights.timm_config import read_timm_config


def tagged(model: object, tag: str) -> str | ModelSpec:
    """The model with the tag of its weights.

    Raises:
        UsageError: the model is none that a tag belongs to, or names another.
    """
    match model:
        case str() if model.partition(".")[2] in ("", tag) and not model.startswith(HUB_SCHEME):
            return f"{model.partition('.')[0]}.{tag}"
        case ModelSpec() if model.variant is not None and model.tag in (None, tag):
            return model.replace(tag=tag)
    raise UsageError(f"pretrained={tag!r} needs a model's name without another tag; got {model!r}")


def published_file(spec: ModelSpec) -> HubFile:
    """The file of a spec's published weights: those of its tag, or of the default.

    With a lock, it is the file at the locked revision, with its size and digest.

    Raises:
        UnknownNameError: the variant has no such tag.
        WeightsError: no weights are published for it.
    """
    if spec.variant is None:
        raise WeightsError(
            "no weights are published for a config: name a variant, or give checkpoint_path"
        )
    entry = index.family(spec.family).weights(spec.variant, spec.tag)
    if entry.repository is None:
        name = f"{spec.variant}.{spec.tag}" if spec.tag else spec.variant
        raise WeightsError(f"no weights are published for '{name}'")
    file = HubFile(entry.repository, entry.file, entry.revision, entry.sha256)
    return file if spec.lock is None else file._replace(**dict(spec.lock))


def with_published_names(spec: ModelSpec, weights: object) -> ModelSpec:
    """The spec with the names of the classes that its published weights have.

    Names that the spec has stay, and a classifier of another size gets none.

    Args:
        spec: what is to be built.
        weights: what fills it; names come with the file of one of the variant's tags.
    """
    if spec.class_names is not None or spec.variant is None or not isinstance(weights, HubFile):
        return spec
    family = index.family(spec.family)
    for tag in family.tags(spec.variant):
        entry = family.weights(spec.variant, tag)
        if (entry.repository, entry.num_classes) == (weights.repository, spec.config.num_classes):
            return spec.replace(class_names=entry.class_names)
    return spec


def from_hub(
    name: str, *, offline: bool, cache_dir: str | PathLike[str] | None
) -> tuple[ModelSpec, HubFile]:
    """The spec and the weights of a hub repository.

    Timm's `config.json` describes them; where there is none, the header of a file that `save_model`
    wrote, which is then fetched whole.

    Args:
        name: `hf-hub:owner/name`, with `@revision` if it shall be another than the main branch.
        offline: open no socket.
        cache_dir: the cache of downloads.

    Raises:
        UsageError: the name is not written like this.
        WeightsError: neither can be had, or the file does not say what model it is.
        SpecError: naming every problem of the document or of the header's spec, with its path.
    """
    repository, revision = parse_repository(name)
    wanted = HubFile(repository, "config.json", revision)
    weights = wanted._replace(name="model.safetensors")
    path = find(wanted, offline=offline, cache_dir=cache_dir)
    if path is None:
        spec = inspect(fetch(weights, offline=offline, cache_dir=cache_dir)).spec
        if isinstance(spec, ModelSpec):
            return spec, weights
        if spec is not None:
            raise WeightsError(
                f"{weights} holds a backbone: fetch it and write load_backbone(PATH)"
            )
        raise WeightsError(
            f"{weights} does not say what model it is, and there is no 'config.json': "
            "write create_model(NAME, checkpoint_path=...)"
        )
    try:
        document = parse_json(read_bytes(path, MAX_BYTES))
    except SpecError as error:
        raise SpecError(f"{wanted} cannot be read", error.problems) from None
    return read_timm_config(document, str(wanted)), weights
