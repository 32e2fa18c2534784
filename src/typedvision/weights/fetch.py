"""Brings one file of a hub repository to this machine, through `huggingface_hub`."""

from __future__ import annotations

import hashlib
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from typedvision.errors import Problem, UsageError, WeightsError

HUB_SCHEME = "hf-hub:"
"""Prefix of the name of a model that is a hub repository."""


class HubFile(NamedTuple):
    """One file of a repository."""

    repository: str
    """`owner/name`."""
    name: str
    """Path of the file in the repository."""
    revision: str | None = None
    """Branch, tag or commit; None for the main branch."""
    sha256: str | None = None
    """What the file's SHA-256 must be; None where it is not known."""
    size: int | None = None
    """How many bytes it must have; None where it is not known."""

    def __str__(self) -> str:
        return f"'{self.name}' of '{self.repository}' at revision '{self.revision or 'main'}'"


def parse_repository(name: str) -> tuple[str, str | None]:
    """Repository and revision of `hf-hub:owner/name@revision`.

    Raises:
        UsageError: it is not written like this.
    """
    repository, at, revision = name.removeprefix(HUB_SCHEME).partition("@")
    if repository.count("/") != 1 or not all(repository.split("/")) or (at and not revision):
        raise UsageError(f"a hub repository is 'hf-hub:owner/name[@revision]'; got {name!r}")
    return repository, revision or None


def fetch(
    file: HubFile, *, offline: bool = False, cache_dir: str | PathLike[str] | None = None
) -> Path:
    """The file on this machine: from the cache, or downloaded into it.

    Args:
        file: which file.
        offline: open no socket; the file must be in the cache.
        cache_dir: the cache; by default that of `huggingface_hub`.

    Raises:
        WeightsError: it cannot be had, or has another size or SHA-256 than it must.
    """
    path = find(file, offline=offline, cache_dir=cache_dir)
    if path is None:
        raise WeightsError(f"{file} cannot be had: the repository has no such file")
    return path


def find(
    file: HubFile, *, offline: bool = False, cache_dir: str | PathLike[str] | None = None
) -> Path | None:
    """Like `fetch`, but None where the repository is there and has no such file."""
    from huggingface_hub.errors import HFValidationError

    try:
        path = _cached(file, cache_dir) if offline else _downloaded(file, cache_dir)
    except HFValidationError as error:
        raise WeightsError(f"{file} cannot exist: {error}") from error
    if path is not None:
        _check(path, file)
    return path


def commit_of(path: Path, file: HubFile) -> str:
    """The commit that a fetched file is from: the cache has a folder of that name for it."""
    return path.parents[file.name.count("/")].name


def _cached(file: HubFile, cache_dir: str | PathLike[str] | None) -> Path | None:
    # Not `hf_hub_download(local_files_only=True)`: that opens a socket before it looks.
    from huggingface_hub import _CACHED_NO_EXIST, try_to_load_from_cache
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = Path(HF_HUB_CACHE if cache_dir is None else cache_dir)
    found = try_to_load_from_cache(
        file.repository, file.name, cache_dir=folder, revision=file.revision
    )
    if isinstance(found, str):
        return Path(found)
    if found is _CACHED_NO_EXIST:
        return None
    raise WeightsError(f"{file} is not in the cache '{folder}', and offline=True downloads nothing")


def _downloaded(file: HubFile, cache_dir: str | PathLike[str] | None) -> Path | None:
    from huggingface_hub import errors, hf_hub_download, try_to_load_from_cache

    folder = None if cache_dir is None else Path(cache_dir)
    try:
        cached = try_to_load_from_cache(
            file.repository, file.name, cache_dir=folder, revision=file.revision
        )
        if cached is None:
            _reach(file)
        found = hf_hub_download(
            file.repository, file.name, revision=file.revision, cache_dir=folder
        )
    except errors.LocalEntryNotFoundError as error:
        reason = error.__cause__ or error
        message = f"{file} is not in the cache, and the hub cannot be reached: {reason}"
        raise WeightsError(message) from error
    except errors.EntryNotFoundError:
        return None
    except errors.HfHubHTTPError as error:
        raise WeightsError(f"{file} {_refused(error)}") from error
    except OSError as error:  # the network's errors, and the disk's
        raise WeightsError(f"{file} cannot be downloaded: {error}") from error
    return Path(str(found))


def _reach(file: HubFile) -> None:
    """Ask the hub once, so that without a network nobody waits for the retries of a download.

    Raises:
        WeightsError: it does not answer.
    """
    from huggingface_hub import errors, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.constants import HF_HUB_ETAG_TIMEOUT

    url = hf_hub_url(file.repository, file.name, revision=file.revision)
    try:
        get_hf_file_metadata(url, timeout=HF_HUB_ETAG_TIMEOUT)
    except errors.HfHubHTTPError:
        pass  # it answers: the download says what is wrong
    except errors.HFValidationError:
        raise
    except Exception as error:  # of whichever client the installed version has
        message = f"{file} is not in the cache, and the hub cannot be reached: {error}"
        raise WeightsError(message) from error


def _check(path: Path, file: HubFile) -> None:
    """Refuse what is not the file that was meant; all of it is read only if its size is right."""
    if file.size is not None:
        _refuse_other(path, "size", file.size, path.stat().st_size)
    if file.sha256 is not None:
        _refuse_other(path, "sha256", file.sha256, file_digest(path))


def _refuse_other(path: Path, what: str, wanted: object, got: object) -> None:
    if got != wanted:
        problem = Problem((what,), "value", f"must be {wanted}; got {got}", got)
        raise WeightsError(f"'{path}' is not the file that was meant", [problem])


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refused(error: Exception) -> str:
    """What the hub answered, in our words."""
    from huggingface_hub import errors

    match error:
        case errors.GatedRepoError():
            return "is gated: ask for access on its page, and log in by `hf auth login`"
        case errors.RepositoryNotFoundError():
            return "cannot be had: there is no such repository, or it is private"
        case errors.RevisionNotFoundError():
            return "cannot be had: there is no such revision"
        case _:
            return f"cannot be downloaded: {error}"
