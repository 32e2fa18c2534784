"""The checks, each a function from a config to what is wrong with its model."""

from __future__ import annotations

import copy
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from typedvision.architecture.build import fewest_modules
from typedvision.architecture.groups import parameter_groups
from typedvision.architecture.image_model import ImageModel
from typedvision.config.base import ModelConfig, to_pair
from typedvision.errors import (
    ConfigError,
    Problem,
    TypedVisionError,
    did_you_mean,
    listed,
)
from typedvision.export import traced
from typedvision.factory import create_backbone, create_model
from typedvision.registry import index
from typedvision.registry.family import AnyFamily, Parts, within
from typedvision.registry.spec import ModelSpec
from typedvision.weights.load import load_model
from typedvision.weights.save import save_model

Where = tuple[str | int, ...]
Finding = tuple[Where, str]
"""What is looked at, and what is wrong with it: `(("features", 0, "stride"), "says 4; ...")`."""
Check = Callable[[ModelConfig], Iterator[Finding]]
Schema = Mapping[str, Any]
"""A JSON schema."""

CLASSES = 5
STEPS = 4  # of the last feature map's sides, where shapes are looked at: two may hide a stride
FEW_STEPS = 2  # where numbers are, which take long


def check_spec(cfg: ModelConfig) -> Iterator[Finding]:
    """Its JSON document gives the config and the model back."""
    spec = ModelSpec.from_config(cfg)
    again = ModelSpec.from_json(spec.to_json())
    if again != spec or again.digest() != spec.digest():
        yield ("config",), "comes back from JSON as another one"
    if _bare(cfg).spec.config != cfg:
        yield ("build",), "makes a model whose spec has another config"


def check_plan(cfg: ModelConfig) -> Iterator[Finding]:
    """Its plan, by which a model that is too large is refused, lists no more than is made."""
    count, fewest = sum(1 for _ in _bare(cfg).modules()), fewest_modules(cfg)
    if fewest > count:
        yield (
            ("config", "plan"),
            f"lists {fewest} modules, four for each dataclass and each rate in a tuple, and the "
            f"model has {count}: list only stages and blocks",
        )


def check_schema(cfg: ModelConfig) -> Iterator[Finding]:
    """Every option is documented and bounded."""
    schema = type(cfg).model_json_schema()
    for path, missing in open_ends((), schema, schema.get("$defs", {})):
        yield ("config", *path), missing


def check_parts(cfg: ModelConfig) -> Iterator[Finding]:
    """What `parts()` names is there, and is what follows the channels and the classes."""
    parts = _family(cfg).parts(cfg)
    missing = list(_missing(cfg, parts))
    yield from missing
    if missing:
        return
    wide, classified = _with(cfg, "in_chans", 1, 2), _with(cfg, "num_classes", 5, 6)
    if wide is not None:
        yield from _followers("first_conv", "in_chans", wide, 1, lambda p: p.first_conv)
    if classified is not None:
        yield from _followers("classifier", "num_classes", classified, 0, lambda p: p.classifier)
        model = _bare(classified[0])
        declared = [model.get_submodule(path) for path in _family(cfg).parts(cfg).classifier]
        if not set(declared) <= set(model.get_classifier().modules()):
            yield ("parts", "classifier"), "is not what `get_classifier()` gives"
    for path in sorted(set(parts.patch_kernels) - set(parts.first_conv)):
        yield ("parts", "patch_kernels"), f"'{path}' must be one of `first_conv`"
    for table in parts.position_tables:
        rows, cells = _bare(cfg).get_parameter(table.path).shape[-2], math.prod(table.grid)
        if rows < cells:
            yield (
                ("parts", "position_tables"),
                f"'{table.path}' has {rows} rows, too few for a grid of {cells}",
            )
    for relative in parts.relative_tables:
        shape = _bare(cfg).get_parameter(relative.path).shape
        rows = shape[0] if len(shape) == 2 else math.prod(shape[1:])  # a map for each head
        if rows < relative.distances:
            yield (
                ("parts", "relative_tables"),
                f"'{relative.path}' has {rows} rows, too few for the "
                f"{relative.distances} of its window",
            )
    for path in parts.distance_tables:
        distances = _bare(cfg).get_parameter(path).shape[-1]
        if math.isqrt(distances) ** 2 != distances:
            yield (
                ("parts", "distance_tables"),
                f"'{path}' has {distances} columns, which is not the square of a number",
            )
    for path in parts.axis_tables:
        distances = _bare(cfg).get_parameter(path).shape[0]
        if distances % 2 == 0:
            yield (
                ("parts", "axis_tables"),
                f"'{path}' has {distances} rows; those of an axis are an odd number",
            )


def _missing(cfg: ModelConfig, parts: Parts) -> Iterator[Finding]:
    model = _bare(cfg)
    modules = [path for path, _ in model.named_modules() if path]
    tensors = [key for key, _ in model.named_parameters()]
    tables = [table.path for table in parts.position_tables]
    tables += [table.path for table in parts.relative_tables]
    tables += [*parts.distance_tables, *parts.axis_tables]
    for field, kind, paths, known in (
        ("first_conv", "module", parts.first_conv, modules),
        ("classifier", "module", parts.classifier, modules),
        ("patch_kernels", "module", parts.patch_kernels, modules),
        ("tables", "parameter", tables, tensors),
    ):
        for path in paths:
            if path not in known:
                near = did_you_mean(path, known)
                hint = f"; did you mean {listed(near)}?" if near else ""
                yield ("parts", field), f"the model has no {kind} '{path}'{hint}"
    if not parts.classifier:
        yield ("parts", "classifier"), "name the modules whose output features follow 'num_classes'"


def _followers(
    field: str,
    option: str,
    configs: tuple[ModelConfig, ModelConfig],
    axis: int,
    declared_by: Callable[[Parts], tuple[str, ...]],
) -> Iterator[Finding]:
    """The tensors that change with an option are those of the declared modules, and all of them."""
    one, other = (_shapes(_bare(config)) for config in configs)
    parts = _family(configs[0]).parts(configs[0])
    declared = declared_by(parts)
    wanted = getattr(configs[0], option) * (parts.stacked_pixels if option == "in_chans" else 1)
    changed = [key for key in {**one, **other} if one.get(key) != other.get(key)]
    if option == "in_chans":  # loading adapts kernels; a linear layer of pixels stays as it is
        changed = [key for key in changed if len(one[key]) == 4]
    outside = [key for key in changed if not within(key, declared)]
    if outside:
        yield (
            ("parts", field),
            f"must name the module of '{outside[0]}', which changes with '{option}'",
        )
        return
    for path in declared:
        if not any(within(key, [path]) for key in changed):
            yield ("parts", field), f"nothing in '{path}' changes with '{option}'"
        elif one[f"{path}.weight"][axis] != wanted:
            yield ("parts", field), f"axis {axis} of '{path}.weight' is not '{option}'"


def check_levels(cfg: ModelConfig) -> Iterator[Finding]:
    """The levels are as many as `features()` says, each with its channels, stride and module."""
    levels = cfg.features()
    if not levels:
        if _family(cfg).capabilities.features:
            yield ("features",), "names no level; the family's capabilities promise some"
        return
    model, x = _bare(cfg), torch.empty(1, cfg.in_chans, *sides(cfg), device="meta")
    modules = dict(model.named_modules())
    unknown = [(at, level.name) for at, level in enumerate(levels) if level.name not in modules]
    for at, name in unknown:
        near = did_you_mean(name, modules)
        hint = f"; did you mean {listed(near)}?" if near else ""
        yield ("features", at, "name"), f"the model has no module '{name}'{hint}"
    if unknown:
        return
    called: set[str] = set()
    handles = [
        modules[level.name].register_forward_hook(lambda *_, name=level.name: called.add(name))
        for level in levels
    ]
    with torch.no_grad():
        found = model.forward_intermediates(x, intermediates_only=True)
    for handle in handles:
        handle.remove()
    assert isinstance(found, list)
    if len(found) != len(levels):
        yield ("features",), f"names {len(levels)} levels; the model gives {len(found)}"
        return
    for at, (level, output) in enumerate(zip(levels, found, strict=True)):
        if output.ndim != 4:
            shape = tuple(output.shape)
            yield (
                ("features", at),
                f"is no map (N, C, H, W), but of shape {shape}: write the model's `_map`",
            )
            continue
        if level.name not in called:
            yield (
                ("features", at, "name"),
                f"'{level.name}' is not called when the level is computed",
            )
        if output.shape[1] != level.channels:
            yield (
                ("features", at, "channels"),
                f"says {level.channels}; the map of '{level.name}' has {output.shape[1]}",
            )
        for side, steps in zip(x.shape[2:], output.shape[2:], strict=True):
            left = side - level.margin
            if steps not in (-(-left // level.stride), *_floors(left, level.stride)):
                yield (
                    ("features", at, "stride"),
                    f"says {level.stride}; {side} pixels become {steps} steps in '{level.name}', "
                    f"as with a stride of {round(side / steps)}",
                )
                break


def _floors(side: int, stride: int) -> tuple[int, int]:
    return side // stride, side // stride - 1  # patches that overlap are one fewer


def check_head(cfg: ModelConfig) -> Iterator[Finding]:
    """Features, logits and each declared pooling have their shapes; so has each input size."""
    capabilities = _family(cfg).capabilities
    x = torch.empty(2, cfg.in_chans, *sides(cfg), device="meta")
    with torch.no_grad():
        features = _bare(cfg).forward_features(x)
    yield from _head_shapes(("forward",), cfg, features)
    for kind in capabilities.global_pool:
        where = ("capabilities", "global_pool", kind)
        try:
            pooled = cfg.replace(num_classes=CLASSES if kind else 0, global_pool=kind)
        except ConfigError as error:
            yield where, f"is declared, but the config refuses it: {error.problems[0].message}"
            continue
        yield from _head_shapes(where, pooled, features)
    if capabilities.input_size == "any":
        height, width = sides(cfg)
        if not _runs(cfg, height + 5, width + 3):
            yield ("capabilities", "input_size"), "says 'any'; images with odd sides do not go in"


def _head_shapes(where: Where, cfg: ModelConfig, features: Tensor) -> Iterator[Finding]:
    model = _bare(cfg)
    with torch.no_grad():
        logits = model.forward_head(features)
        seen = model.forward_head(features, pre_logits=True)
    shapes = [tuple(feature.shape) for feature in _branches(features)]
    if model.num_features not in map(sum, zip(*shapes, strict=True)):
        told = listed([str(shape) for shape in shapes])
        yield ("num_features",), f"is {model.num_features}; the features have the shape {told}"
    if cfg.num_classes and tuple(logits.shape) != (2, cfg.num_classes):
        yield where, f"gives logits of shape {tuple(logits.shape)}, not {(2, cfg.num_classes)}"
    if seen.shape[1] != model.head_hidden_size and seen.shape[-1] != model.head_hidden_size:
        yield (
            ("head_hidden_size",),
            f"is {model.head_hidden_size}; what the classifier sees has the shape "
            f"{tuple(seen.shape)}",
        )


def _runs(cfg: ModelConfig, height: int, width: int) -> bool:
    try:
        _bare(cfg)(torch.empty(1, cfg.in_chans, height, width, device="meta"))
    except (RuntimeError, TypedVisionError):
        return False
    return True


def check_groups(cfg: ModelConfig) -> Iterator[Finding]:
    """Every parameter stands in one group, and those without decay are parameters."""
    model = _bare(cfg)
    names = [name for name, _ in model.named_parameters()]
    for name in sorted(model.no_weight_decay() - set(names)):
        yield ("no_weight_decay",), f"names '{name}', which is no parameter"
    for coarse in (False, True):
        groups = parameter_groups(model, lr=1.0, weight_decay=1.0, layer_decay=0.5, coarse=coarse)
        rates = [group["lr"] for group in groups]
        if len({id(p) for group in groups for p in group["params"]}) != len(names):
            yield ("group_matcher",), "leaves out a parameter"
        elif len(names) > 2 and len(set(rates)) < 2:
            yield ("group_matcher",), "makes one group of all layers"


def check_initial_weights(cfg: ModelConfig) -> Iterator[Finding]:
    """One seed decides every tensor, and nothing of the storage is left."""
    model = create_model(ModelSpec.from_config(cfg), seed=0)
    fresh = {key: tensor.clone() for key, tensor in _tensors(model).items()}
    for tensor in _tensors(model).values():
        tensor.data.fill_(math.nan if tensor.is_floating_point() else 77)
    model.init_weights(0)
    for key, tensor in _tensors(model).items():
        if not tensor.isfinite().all():
            yield ("initializers",), f"'{key}' is not initialised"
        elif not torch.equal(tensor, fresh[key]):
            yield ("initializers",), f"'{key}' is not the same from the same seed"


def check_gradients(cfg: ModelConfig) -> Iterator[Finding]:
    """A step back reaches every parameter, in training and in evaluation."""
    for training in (True, False):
        gradients, _ = _gradients(cfg, training)
        for key, _ in _bare(cfg).named_parameters():
            if key not in gradients:
                yield ("forward",), f"does not use the parameter '{key}'"
            elif not gradients[key].isfinite().all():
                yield ("forward",), f"the gradient of '{key}' is not finite"


def check_checkpointing(cfg: ModelConfig) -> Iterator[Finding]:
    """Recomputed activations give equal gradients, and are not kept."""
    if not _family(cfg).capabilities.grad_checkpointing:
        return
    (kept, all_saved), (recomputed, few_saved) = (
        _gradients(cfg, checkpointing=on) for on in (False, True)
    )
    if few_saved >= all_saved:
        yield (
            ("capabilities", "grad_checkpointing"),
            "is declared, but it keeps as many activations",
        )
    for key, one in kept.items():
        if not _close(one, recomputed[key]):
            yield ("capabilities", "grad_checkpointing"), f"changes the gradient of '{key}'"


def check_independence(cfg: ModelConfig) -> Iterator[Finding]:
    """What an image gives does not depend on those beside it."""
    model, x = _moved(cfg), images(cfg)
    with torch.no_grad():
        if not _close(model(x)[1:], model(x[1:])):
            yield ("forward",), "an image's output depends on the images beside it"


def check_backbone(cfg: ModelConfig) -> Iterator[Finding]:
    """A backbone gives the model's own levels, with no parameter that it does not need."""
    levels, spec, model, x = cfg.features(), ModelSpec.from_config(cfg), _moved(cfg), images(cfg)
    if not levels:
        return
    with torch.no_grad():
        final, wanted = model.forward_intermediates(x)
        again = _branches(model.forward_features(x))
        if not all(map(_close, _branches(final), again)):
            yield ("forward_features",), "gives another map than `forward_intermediates`"
    state = model.state_dict()
    for at in sorted({0, len(levels) - 1}):
        backbone = create_backbone(spec, out_indices=(at,), dtype=torch.float64).eval()
        backbone.model.load_state_dict({key: state[key] for key in backbone.model.state_dict()})
        try:
            (found,) = backbone(x)
        except AttributeError as error:
            yield ("_levels",), f"uses a module past level {at} before that level is given: {error}"
            continue
        if not _close(found, list(wanted)[at]):
            yield ("_levels",), f"a backbone of level {at} gives another map than the model"
        torch.autograd.backward(found.square().mean())
        for name, module in backbone.model.named_children():
            gradients = [parameter.grad for parameter in module.parameters()]
            if gradients and all(gradient is None for gradient in gradients):
                yield (
                    ("_levels",),
                    f"'{name}' is registered before level {at}, which does not use it: register "
                    "modules in the order of the computation",
                )


def check_new_classifier(cfg: ModelConfig) -> Iterator[Finding]:
    """`reset_classifier` gives that of a new model, and leaves the rest alone."""
    model = create_model(ModelSpec.from_config(cfg), seed=0)
    old = {key: tensor.clone() for key, tensor in _tensors(model).items()}
    model.reset_classifier(CLASSES + 1, seed=5)
    twin = create_model(ModelSpec.from_config(cfg.replace(num_classes=CLASSES + 1)), seed=5)
    if model.spec != twin.spec:
        yield ("_replace_classifier",), "leaves another spec than a new model's"
    declared, wanted = _family(cfg).parts(model.spec.config).classifier, _tensors(twin)
    for key, tensor in _tensors(model).items():
        expected = wanted[key] if within(key, declared) else old[key]
        if not torch.equal(tensor, expected):
            yield ("_replace_classifier",), f"'{key}' is not what it is in a new model"
            break
    x = images(cfg).float()
    for classes in (CLASSES + 1, 0):
        model.reset_classifier(classes, seed=5)
        twin.reset_classifier(classes, seed=5)
        shape = model.eval()(x).shape
        if classes and tuple(shape) != (2, classes):
            yield ("_replace_classifier",), f"{classes} classes give logits of shape {tuple(shape)}"
    if list(model.get_classifier().parameters()):
        yield ("_replace_classifier",), "0 classes leave a classifier with parameters"


def check_file(cfg: ModelConfig) -> Iterator[Finding]:
    """A file alone gives the model back."""
    model, x = _moved(cfg), images(cfg)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = Path(folder) / "model.safetensors"
        save_model(model, path)
        again = load_model(path, verify=True).eval()
        if again.spec != model.spec:
            yield ("save_model",), "the file gives a model with another spec"
        if not torch.equal(again(x), model(x)):
            yield (
                ("save_model",),
                "the file gives a model with other numbers: is a buffer computed?",
            )


def check_export(cfg: ModelConfig) -> Iterator[Finding]:
    """`torch.export` gives one program for any number of images."""
    model, x = _moved(cfg), images(cfg)
    program = traced(model, x).module()
    more = torch.cat((x, x.flip(0), x[:1]))
    with torch.no_grad():
        if not _close(program(more), model(more)):
            yield ("forward",), "its exported program gives other numbers"


DESCRIBED: tuple[Check, ...] = (
    *(check_spec, check_plan, check_schema, check_parts, check_levels, check_head, check_groups),
)
"""What the meta device shows, in less than a second; for each variant."""
COMPUTED: tuple[Check, ...] = (
    *(check_initial_weights, check_gradients, check_checkpointing, check_independence),
    *(check_backbone, check_new_classifier, check_file, check_export),
)
"""What takes numbers; for one small model."""


def findings(checks: Iterable[Check], configs: Mapping[str, ModelConfig]) -> list[Problem]:
    """What is wrong with configs, by name; what several have in common is told of the first."""
    found: dict[Finding, Problem] = {}
    for name, cfg in configs.items():
        for check in checks:
            for where, message in _found(check, cfg):
                found.setdefault((where, message), Problem((name, *where), "value", message))
    return list(found.values())


def _found(check: Check, cfg: ModelConfig) -> list[Finding]:
    try:
        return list(check(cfg))
    except Exception as error:  # whatever the family's code does, say what was asked of it
        reason = str(error).strip().partition("\n")[0]
        wanted = (check.__doc__ or "").partition("\n")[0]
        return [((check.__name__,), f"{wanted} Instead: {type(error).__name__}: {reason}")]


def smallest(configs: Iterable[ModelConfig]) -> ModelConfig:
    """The config with the fewest parameters, for a few classes."""
    row = min(configs, key=lambda row: sum(p.numel() for p in _bare(row).parameters()))
    return row.replace(num_classes=CLASSES)


def sides(cfg: ModelConfig, steps: int = STEPS) -> tuple[int, int]:
    """Height and width of small images that a model takes, of so many steps of its last level."""
    levels = cfg.features()
    stride = max((level.stride for level in levels), default=8)
    margin = max((level.margin for level in levels), default=0)
    return to_pair(cfg.input_size() or max(steps, 1 + -(-margin // stride)) * stride)


def images(cfg: ModelConfig) -> Tensor:
    """Two images of noise, (2, C, H, W), in double precision."""
    generator = torch.Generator().manual_seed(1)
    shape = (2, cfg.in_chans, *sides(cfg, FEW_STEPS))
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def open_ends(where: Where, schema: Schema, nested: Mapping[str, Schema]) -> Iterator[Finding]:
    """What a JSON schema leaves without a bound or a description.

    Args:
        where: path of what the schema is of.
        schema: the schema.
        nested: the schemas that it refers to, by name.
    """
    schema = nested[schema["$ref"].removeprefix("#/$defs/")] if "$ref" in schema else schema
    closed = schema.keys() & {"enum", "const"}
    match schema.get("type"):
        case "integer" | "number" if not closed:
            if not schema.keys() & {"minimum", "exclusiveMinimum"}:
                yield where, "has no lower bound"
            if not schema.keys() & {"maximum", "exclusiveMaximum"}:
                yield where, "has no upper bound"
        case "string" if not closed:
            yield where, "is free text"
        case "array":
            if "maxItems" not in schema:
                yield where, "has no greatest length"
            for item in [*schema.get("prefixItems", ()), *filter(None, [schema.get("items")])]:
                yield from open_ends((*where, 0), item, nested)
        case "object":
            if schema.get("additionalProperties") is not False:
                yield where, "takes unknown keys"
            for name, field in schema.get("properties", {}).items():
                target = nested.get(field.get("$ref", "").removeprefix("#/$defs/"), {})
                if not {**target, **field}.get("description"):
                    yield (*where, name), "has no description"
                yield from open_ends((*where, name), field, nested)
        case None if "anyOf" not in schema and not closed:
            yield where, "takes anything"
    for branch in schema.get("anyOf", ()):
        yield from open_ends(where, branch, nested)


def _family(cfg: ModelConfig) -> AnyFamily:
    return index.family_of_config(type(cfg))


def _bare(cfg: ModelConfig) -> ImageModel:
    """The model on the meta device, in evaluation mode; not to be changed."""
    return _bare_of(_family(cfg), cfg)  # pyright: ignore[reportArgumentType] # frozen: hashable


@lru_cache(maxsize=8)
def _bare_of(_family: AnyFamily, cfg: ModelConfig) -> ImageModel:
    return create_model(ModelSpec.from_config(cfg), device="meta").eval()


def _moved(cfg: ModelConfig) -> ImageModel:
    """A model in double precision, none of whose weights is trivial: a zero hides what stands
    before it."""
    made = _moved_of(_family(cfg), cfg)  # pyright: ignore[reportArgumentType] # frozen: hashable
    return copy.deepcopy(made)


@lru_cache(maxsize=2)
def _moved_of(_family: AnyFamily, cfg: ModelConfig) -> ImageModel:
    model, generator = (
        create_model(ModelSpec.from_config(cfg), dtype=torch.float64, seed=0),
        torch.Generator(),
    )
    generator.manual_seed(0)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
        inputs = parameter.numel() / parameter.shape[0] if parameter.ndim > 1 else 100.0
        parameter.data.add_(noise / inputs**0.5)
    return model.eval()


def _gradients(
    cfg: ModelConfig, training: bool = True, checkpointing: bool = False
) -> tuple[dict[str, Tensor], int]:
    """The gradients of a step, and the numbers that it keeps for them."""
    return _gradients_of(_family(cfg), cfg, training, checkpointing)  # pyright: ignore[reportArgumentType] # frozen: hashable


@lru_cache(maxsize=3)  # the plain step of training is asked for twice
def _gradients_of(
    _family: AnyFamily, cfg: ModelConfig, training: bool, checkpointing: bool
) -> tuple[dict[str, Tensor], int]:
    model = _moved(cfg).train(training)
    if checkpointing:
        model.set_grad_checkpointing()
    saved = 0

    def pack(tensor: Tensor) -> Tensor:
        nonlocal saved
        saved += tensor.numel()
        return tensor

    torch.manual_seed(0)  # the same branches are dropped
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = model(images(cfg)).square().mean()
    loss.backward()
    return {key: p.grad for key, p in model.named_parameters() if p.grad is not None}, saved


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter and every buffer, those outside of the state dict too."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _shapes(model: nn.Module) -> dict[str, torch.Size]:
    return {key: parameter.shape for key, parameter in model.named_parameters()}


def _branches(features: Tensor | Sequence[Tensor]) -> list[Tensor]:
    """The features of a model, of each branch where it has several."""
    return [features] if isinstance(features, Tensor) else list(features)


def _close(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-7, atol=1e-9)


def _with(cfg: ModelConfig, option: str, *values: int) -> tuple[ModelConfig, ModelConfig] | None:
    """The config with two values of an option; None where it refuses one."""
    try:
        one, other = (cfg.replace(**{option: value}) for value in values)
    except ConfigError:
        return None
    return one, other
