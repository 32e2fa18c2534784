"""Calls of timm as calls of this library: what would be refused here, and what to write instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from typedvision.lint.call import UNKNOWN, Call, Function
from typedvision.lint.source import Written
from typedvision.registry import index
from typedvision.stubs.modules import model_source

_POSITIONS = (
    "model_name",
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "checkpoint_path",
    "cache_dir",
    "scriptable",
    "exportable",
    "no_jit",
)
"""How timm's `create_model` calls its arguments by position."""
CREATES = ("timm.create_model", "timm.models.create_model", "timm.models.factory.create_model")
"""Where timm has its `create_model`."""


class Translation(NamedTuple):
    """A call of timm as one of this library."""

    call: Call
    keys: Mapping[str | None, int | str]
    """The argument of timm's call that each keyword was, None being the model."""
    refused: tuple[tuple[int | str, str], ...]
    """Arguments that are written in another way here, each with how."""


def translated(written: Written) -> Translation | None:
    """A call of timm's `create_model` as the call that is written here; None for any other."""
    if written.called not in CREATES:
        return None
    given: dict[str, object] = {}
    keys: dict[str | None, int | str] = {}
    refused: list[tuple[int | str, str]] = []
    for position, (name, value) in enumerate(zip(_POSITIONS, written.positional, strict=False)):
        given[name], keys[name] = value, position
        if position:
            refused.append((position, f"{name}: is a keyword here: write {name}=..."))
    given |= written.keywords
    keys |= {name: name for name in written.keywords}
    if "model_name" in written.keywords:
        refused.append(("model_name", "model_name: is called 'model' here"))
    model = given.pop("model_name", UNKNOWN)
    keys[None] = keys.pop("model_name", 0)
    levels = given.pop("features_only", False)
    if "features_only" in keys:
        refused.append(
            (keys["features_only"], _FEATURES[levels if isinstance(levels, bool) else None])
        )
    if given.get("checkpoint_path") == "":  # timm's way to say none
        del given["checkpoint_path"]
    function: Function = "create_model" if levels in (False, None) else "create_backbone"
    call = Call(function, model, given, written.whole and levels is not UNKNOWN)
    return Translation(call, keys, tuple(refused))


_FEATURES: Mapping[bool | None, str] = {
    True: "features_only: write create_backbone(...)",
    False: "features_only: leave it out, create_model gives no feature levels",
    None: "features_only: write create_backbone(...) where it is true, create_model otherwise",
}

_COUNTERPARTS: Mapping[str, str] = {
    "list_models": "typedvision.list_models; exclude_filters= is exclude=, module= is family=, "
    "pretrained=True is tags=True",
    "list_pretrained": "typedvision.list_models(tags=True)",
    "is_model": "typedvision.family(name), which raises an UnknownNameError",
    "models.is_model_pretrained": "typedvision.specify(name), and the tags of models.NAME",
    "get_pretrained_cfg": "typedvision.specify(name)",
    "models.get_pretrained_cfg": "typedvision.specify(name)",
    "data.create_transform": "typedvision.make_transform(model)",
    "data.create_transform.create_transform": "typedvision.make_transform(model)",
    "data.resolve_data_config": "typedvision.make_transform(model)",
    "data.resolve_model_data_config": "typedvision.make_transform(model)",
    "optim.param_groups_layer_decay": "typedvision.parameter_groups(..., layer_decay=...)",
    "optim.param_groups_weight_decay": "typedvision.parameter_groups(...)",
    "utils.freeze": "model.freeze(...)",
    "utils.unfreeze": "model.unfreeze(...)",
    "models.register_model": "a family of your own",
}
"""What is here instead of timm's functions, by their names below `timm`."""


def _class(name: str) -> str | None:
    """The class of a family's models, where timm has it in a module of that name."""
    module, _, cls = name.removeprefix("timm.models.").partition(".")
    found = model_source(index.family(module)) if module in index.rows() else ""
    return found if found.endswith(f".{cls}") else None


def counterpart(name: str) -> str:
    """What to write here instead of a name of timm's, `timm.list_models`."""
    known = _COUNTERPARTS.get(name.removeprefix("timm.")) or _class(name)
    return f"{name}: here {known}" if known else f"{name}: has no counterpart here"
