"""The order of the modules of a model, which are registered in the order of computation."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn


def divide(root: nn.Module, path: str) -> tuple[list[str], list[str]]:
    """Divide the modules of a model into those up to the one at `path`, and those after it.

    Args:
        root: the model.
        path: the path of a module, as in `root.get_submodule(path)`.

    Returns:
        The paths of the modules of either part; a path stands for all that is inside.

    Raises:
        ValueError: there is no such module.
    """
    until: list[str] = []
    after: list[str] = []
    above = ""
    for name in path.split("."):
        children = [child for child, _ in root.named_children()]
        here = children.index(name)
        until += [f"{above}{child}" for child in children[:here]]
        after += [f"{above}{child}" for child in children[here + 1 :]]
        root, above = root.get_submodule(name), f"{above}{name}."
    return [*until, path], after


def cut(root: nn.Module, paths: Sequence[str]) -> tuple[str, ...]:
    """Remove the modules and parameters at these paths; return the paths."""
    for path in paths:
        above, _, name = path.rpartition(".")
        delattr(root.get_submodule(above), name)
    return tuple(paths)
