"""Pins a spec's published weights to the file that they are now; imports no torch."""

from __future__ import annotations

from os import PathLike

from typedvision.config.weights import WeightsLock
from typedvision.registry import index
from typedvision.registry.spec import ModelSpec
from typedvision.weights.fetch import commit_of, fetch, file_digest
from typedvision.weights.resolve import published_file


def lock_weights(
    spec: ModelSpec, *, offline: bool = False, cache_dir: str | PathLike[str] | None = None
) -> ModelSpec:
    """The spec with the lock of its weights, which are fetched; an older lock is replaced.

    Args:
        spec: a spec of a published variant. If it names no tag, it gets the default one.
        offline: open no socket; lock what is in the cache.
        cache_dir: where downloads are kept; by default where `huggingface_hub` keeps them.

    Raises:
        UnknownNameError: the variant has no such tag.
        WeightsError: no weights are published for it, or they cannot be had.
    """
    file = published_file(spec.replace(lock=None))
    path = fetch(file, offline=offline, cache_dir=cache_dir)
    lock = WeightsLock(
        revision=commit_of(path, file), size=path.stat().st_size, sha256=file_digest(path)
    )
    assert spec.variant is not None  # only variants have published files
    return spec.replace(tag=spec.tag or index.tags(spec.variant)[0], lock=lock)
