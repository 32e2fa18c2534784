"""Answers questions about timm's models; it runs in an environment that has timm.

    PYTHON -m tools.peer

reads one question from each line, `{"ask": "numbers", "name": "resnet50", ...}`, and writes one
line for each answer, `{"error": ...}` where timm refuses. Nothing of typedvision is imported.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import sys
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.contract.filling import fill, fingerprint, image, state_digest

GAINS = (1.0, 1.25, 1.5, 2.0, 3.0, 4.0)
"""Tried one after the other until the features depend on the image."""
SENSITIVE = 0.01
"""How much of their root mean square the features change when the image is negated."""

_library: Any = torch.library  # it has no types

# Importing timm needs two operators that torchvision declares and a build for CPUs lacks.
_operators = _library.Library("torchvision", "DEF")
for _name in ("nms", "qnms"):
    _operators.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
warnings.filterwarnings("ignore")
timm: Any = importlib.import_module("timm")  # it has no types

Answer = dict[str, Any]
Options = dict[str, Any]


def structure(name: str, options: Options) -> Answer:
    """Number of parameters, and digests of the state and of the order of the parameters."""
    model = _on_meta(name, options)
    keys = [key for key, _ in model.named_parameters()]
    return {
        "params": sum(parameter.numel() for parameter in model.parameters()),
        "state": state_digest(model),
        "order": hashlib.sha256("\n".join(keys).encode()).hexdigest(),
    }


@torch.inference_mode()
def numbers(name: str, options: Options, size: list[int], pooled: bool = False) -> Answer:
    """Features and logits of the image, at the first gain that lets them depend on it; the features
    are what the classifier sees where they are `pooled`."""

    def features_of(x: Tensor) -> Tensor:
        features = model.forward_features(x)
        return _last(model.forward_head(features, pre_logits=True) if pooled else features)

    model, x = _built(name, options), image(tuple(size))
    found: dict[float, float] = {}
    for gain in GAINS:
        fill(model, gain)
        features = features_of(x)
        change = features_of(-x) - features
        sensitivity = (change.square().mean() / features.square().mean()).sqrt().item()
        if sensitivity == sensitivity:  # not so where the numbers overflow
            found[gain] = sensitivity
        if sensitivity >= SENSITIVE:
            break
    gain = max(found, key=lambda gain: found[gain])
    fill(model, gain)
    return {
        "input": size,
        "gain": gain,
        "sensitivity": found[gain],
        "features": fingerprint(features_of(x)),
        "logits": fingerprint(_last(model(x))),
    }


def spread(name: str, options: Options, seeds: int) -> Answer:
    """Mean and standard deviation of each initial tensor over several draws."""
    draws: dict[str, list[Tensor]] = {}
    for seed in range(seeds):
        torch.manual_seed(seed)
        # In float32, one truncated normal in 2**24 is at its bound.
        for key, tensor in _built(name, options).state_dict().items():
            if tensor.is_floating_point():
                draws.setdefault(key, []).append(tensor.flatten())
    everything = {key: torch.cat(tensors) for key, tensors in draws.items()}
    return {key: [t.mean().item(), t.std(correction=0).item()] for key, t in everything.items()}


def rates(name: str, options: Options) -> Answer:
    """Learning rate and weight decay of each parameter, for a layer decay of a half; nothing where
    timm's model does not say its layers."""
    optim: Any = importlib.import_module("timm.optim")
    model = _on_meta(name, options)
    if not hasattr(model, "group_matcher"):
        return {}
    keys = {id(parameter): key for key, parameter in model.named_parameters()}
    skip = model.no_weight_decay() if hasattr(model, "no_weight_decay") else ()
    groups = optim.param_groups_layer_decay(model, 1.0, skip, layer_decay=0.5)
    return {
        keys[id(parameter)]: [group["lr_scale"], group["weight_decay"]]
        for group in groups
        for parameter in group["params"]
    }


@torch.inference_mode()
def pyramid(name: str, options: Options, size: list[int], gain: float) -> list[object]:
    """The output of each feature level."""
    model = _built(name, options)
    fill(model, gain)
    tensors = {_plain(key): tensor for key, tensor in model.state_dict().items()}
    levels = tuple(index for index, level in enumerate(model.feature_info) if level["module"])
    try:
        backbone = _built(name, {**options, "features_only": True, "out_indices": levels})
    except TypeError:  # an option that only the class takes
        outputs = model.forward_intermediates(image(tuple(size)), intermediates_only=True)
        return [fingerprint(output) for output in outputs]
    for key, tensor in backbone.state_dict().items():
        tensor.copy_(tensors[_plain(key)])
    outputs = backbone(image(tuple(size)))
    if getattr(backbone, "output_fmt", "NCHW") == "NHWC":
        outputs = [output.permute(0, 3, 1, 2) for output in outputs]
    return [fingerprint(output) for output in outputs]


def _plain(key: str) -> str:
    """A key without what timm renames where it wraps a model."""
    return key.replace("_", ".").removeprefix("model.").removeprefix("body.")


def _built(name: str, options: Options) -> Any:
    torch.set_default_dtype(torch.float64)
    return _made(name, options).eval()


def _on_meta(name: str, options: Options) -> Any:
    with torch.device("meta"):
        return _made(name, options)


def _made(name: str, options: Options) -> Any:
    """A model of timm, also with options that `create_model` does not take for this name."""
    if "block_args" in options:
        options = {**options, "block_args": _decoded(options["block_args"])}
    try:
        return timm.create_model(name, **options)
    except TypeError as error:
        if "features_only" in options:
            raise
        make = _called if "multiple values" in str(error) else _nested
    return make(name, options)


ROWS = {
    "fused_mbconv": "er_r{repeats}_k3_s{stride}_e{exp_ratio}_c{out_chs}",
    "mqa": "mqa_r{repeats}_k3_h{num_heads}_v{kv_stride}_s1_d{key_dim}_c{out_chs}",
    "uib": "uir_r{repeats}_a{kernel_size_start}_k{kernel_size_mid}_s{stride}_e{exp_ratio}"
    "_c{out_chs}",
}
"""timm's words for rows of mobile blocks."""


def _decoded(stages: Any) -> Any:
    """Rows of mobile blocks as timm's constructors are given them."""
    builder: Any = importlib.import_module("timm.models._efficientnet_builder")
    return builder.decode_arch_def(
        [[ROWS[row["block"]].format(**row) for row in stage] for stage in stages]
    )


def _called(name: str, options: Options) -> Any:
    """The model's class, called with what timm's function for the name gives, and with options."""
    with torch.device("meta"):
        kind: Any = type(timm.create_model(name))
    given: list[tuple[tuple[Any, ...], Options]] = []
    constructor = kind.__init__

    def noting(self: Any, *args: Any, **kwargs: Any) -> None:
        given.append((args, kwargs))
        constructor(self, *args, **kwargs)

    kind.__init__ = noting
    try:
        with torch.device("meta"):
            timm.create_model(name)
    finally:
        kind.__init__ = constructor
    args, kwargs = given[0]
    return kind(*args, **{**kwargs, **options})


def _nested(name: str, options: Options) -> Any:
    """A model whose architecture is an object of timm's, in a table by name: the options that are
    fields of the object stand in a changed one."""
    table = sys.modules[timm.models.model_entrypoint(name).__module__].model_cfgs
    inside = {key: value for key, value in options.items() if hasattr(table[name], key)}
    table["changed"] = dataclasses.replace(table[name], **inside)
    outside = {key: value for key, value in options.items() if key not in inside}
    return timm.create_model(name, **outside, cfg_variant="changed")


def _last(output: Any) -> Tensor:
    """The output; the last tensor where there are several, but all of a list's tokens."""
    if isinstance(output, list) and all(tokens.ndim == 3 for tokens in output):
        return torch.cat(output, dim=1)
    while not isinstance(output, Tensor):
        output = list(output.values() if isinstance(output, dict) else output)[-1]
    return output


def _frozen(value: Any) -> Any:
    """Lists as tuples, which is what timm's constructors are given."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


ASKS: dict[str, Callable[..., object]] = {
    function.__name__: function for function in (structure, numbers, spread, rates, pyramid)
}


def main() -> None:
    """Answer until the questions end."""
    for line in sys.stdin:
        question = json.loads(line)
        options = {key: _frozen(value) for key, value in question.pop("options").items()}
        try:
            answer = ASKS[question.pop("ask")](options=options, **question)
        except Exception as error:  # timm raises whatever it meets
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
