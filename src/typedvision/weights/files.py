"""Opens and replaces ordinary files, and nothing else: no pipe keeps us waiting, no device is read.

Every file that the library reads for a caller is opened here, and every file that it writes for one
is put in place here.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import secrets
import socket
import stat
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from typedvision.errors import TypedVisionError, UsageError, WeightsError, shown

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_WAIT_FOR_NOBODY = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # not on every system
_SECONDS_OF_A_DRAFT = 24 * 60 * 60
_HOST = f"{zlib.crc32(socket.gethostname().encode()):08x}"


def to_path(value: object, name: str = "path") -> Path:
    """The path that a caller names.

    Args:
        value: what they gave.
        name: what they call it.

    Raises:
        UsageError: it is no path, or one that no file can have.
    """
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str):
        raise UsageError(f"{name} must be the path of a file; got {shown(value)}")
    if not text or "\0" in text:
        raise UsageError(f"{name} must be the path of a file, which {shown(text)} cannot be")
    return Path(text)


def open_file(path: Path) -> io.BufferedReader:
    """An ordinary file, open for reading.

    Raises:
        WeightsError: it is not there, cannot be read, or is a folder, a pipe, a socket or a device.
    """
    try:
        _refuse_others(os.stat(path))  # a device may do something when it is opened
        descriptor = os.open(path, os.O_RDONLY | _WAIT_FOR_NOBODY)
        try:
            _refuse_others(os.fstat(descriptor))  # another may have come in its place
        except OSError:
            os.close(descriptor)
            raise
    except OSError as error:
        raise WeightsError(f"'{path}' cannot be read: {error.strerror}") from error
    return open(descriptor, "rb")


def read_bytes(path: Path, most: int) -> bytes:
    """What a small file holds: all of it, or one byte more than `most`.

    Raises:
        WeightsError: it cannot be read, or is no ordinary file.
    """
    with open_file(path) as file:
        try:
            return file.read(most + 1)
        except OSError as error:
            raise WeightsError(f"'{path}' cannot be read: {error.strerror}") from error


def replace_file(
    path: Path,
    write: Callable[[Path], object],
    error_type: type[TypedVisionError] = WeightsError,
) -> None:
    """Put a file at `path`, whole or not at all.

    It is written beside as a draft and then renamed. What a process that was killed left of its own
    drafts for `path` is removed.

    Args:
        path: the file; one that is there is replaced. Of a symbolic link, what it points at is.
        write: writes the file at the path that it is given, in the same folder, which is empty.
        error_type: what is raised.

    Raises:
        TypedVisionError: of `error_type`: the file cannot be written, or `path` is a folder, a
            pipe, a socket or a device; what was at `path` is as it was.
    """
    try:
        target = Path(os.path.realpath(path))
        with contextlib.suppress(FileNotFoundError):
            _refuse_others(os.stat(target))
        _remove_drafts(target)
        writer = f"{_HOST}-{os.getpid()}-{secrets.token_hex(4)}"
        draft = target.with_name(f"{_stem(target)}.{writer}.tmp")
        try:
            draft.touch(
                exist_ok=False
            )  # what cannot be written is refused before anything is computed
            write(draft)
            _flush(draft)
            draft.replace(target)
        finally:
            with contextlib.suppress(OSError):  # mostly there is none any more
                draft.unlink()
    except OSError as error:
        raise error_type(f"'{path}' cannot be written: {error.strerror or error}") from error
    with contextlib.suppress(OSError):  # the renaming itself; not every system can
        _flush(target.parent)


def _refuse_others(status: os.stat_result) -> None:
    """Raise an OSError for what is no ordinary file."""
    if stat.S_ISREG(status.st_mode):
        return
    kind = next((kind for test, kind in _KINDS if test(status.st_mode)), "of another kind")
    raise OSError(0, f"it is {kind}, not a file")


def _stem(target: Path) -> str:
    """The start of the names of all drafts for a file; a name has at most 255 bytes."""
    return f".{target.name[:50]}"


def _remove_drafts(target: Path) -> None:
    """Remove drafts that nobody writes any more."""
    draft_name = re.compile(re.escape(_stem(target)) + r"\.([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\.tmp")
    with contextlib.suppress(OSError), os.scandir(target.parent) as entries:
        for entry in entries:
            found = draft_name.fullmatch(entry.name)
            if found is None:
                continue
            with contextlib.suppress(OSError):  # another process was quicker
                age = time.time() - entry.stat(follow_symlinks=False).st_mtime
                gone = found[1] == _HOST and not _runs(int(found[2]))
                if gone or age > _SECONDS_OF_A_DRAFT:
                    os.unlink(entry.path)


def _runs(process: int) -> bool:
    """Whether a process of this machine runs; true where nobody can say."""
    if sys.platform == "win32":  # there, `os.kill` would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it belongs to somebody else
        return True
    return True


def _flush(path: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
