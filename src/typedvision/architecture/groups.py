"""Group the parameters of a model for an optimizer, by layer and by weight decay."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import nn

from typedvision.architecture.image_model import LAST_GROUP
from typedvision.architecture.wrapped import (
    Wrapped,
    body_of,
    model_or_backbone,
    plain_key,
    unwrapped,
)
from typedvision.errors import UsageError, shown

_SortKey = tuple[float, ...]


def parameter_groups(
    model: Wrapped,
    *,
    lr: float,
    weight_decay: float,
    layer_decay: float = 1.0,
    coarse: bool = False,
) -> list[dict[str, Any]]:  # Any: torch.optim asks for it
    """Group the trained parameters of a model for `torch.optim`.

    Weight decay does not apply to biases, to other parameters of one dimension, and to those that
    `model.no_weight_decay()` names. The layers are those of `model.group_matcher()`.

    Args:
        model: the model or the backbone, as it is or inside of `torch.compile`,
            `DistributedDataParallel` or `AveragedModel`.
        lr: learning rate of the last layer.
        weight_decay: weight decay of the parameters to which it applies.
        layer_decay: ratio of the learning rate of a layer to that of the next (BEiT,
            https://arxiv.org/abs/2106.08254, appendix), in (0, 1]; 1 for equal rates.
        coarse: whether layers are stages instead of blocks.

    Returns:
        The groups from the input to the output, each with `params`, `lr` and `weight_decay`.

    Raises:
        UsageError: the model is none of ours, a rate is negative or not finite, or `layer_decay`
            is not in (0, 1].
    """
    for name, rate in (("lr", lr), ("weight_decay", weight_decay)):
        if not (_is_number(rate) and 0.0 <= rate < math.inf):
            raise UsageError(f"{name} must be a number of at least 0; got {shown(rate)}")
    if not (_is_number(layer_decay) and 0.0 < layer_decay <= 1.0):
        raise UsageError(f"layer_decay must be more than 0 and at most 1; got {shown(layer_decay)}")
    body = body_of(model_or_backbone(unwrapped(model), "parameter_groups"))
    parameters = {plain_key(key): parameter for key, parameter in body.named_parameters()}
    layers = layer_numbers(parameters, body.group_matcher(coarse))
    last = max(layers.values(), default=0)
    undecayed = body.no_weight_decay()
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for key in sorted(parameters, key=layers.__getitem__):
        parameter = parameters[key]
        if parameter.requires_grad:
            scale = layer_decay ** (last - layers[key])
            exempt = parameter.ndim <= 1 or key.endswith(".bias") or key in undecayed
            rates = (lr * scale, 0.0 if exempt else weight_decay)
            groups.setdefault(rates, []).append(parameter)
    return [
        {"params": params, "lr": rate, "weight_decay": decay}
        for (rate, decay), params in groups.items()
    ]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def layer_numbers(keys: Iterable[str], matcher: Mapping[str, object]) -> dict[str, int]:
    """Number the layer of each parameter, counted from the input.

    Args:
        keys: the parameters.
        matcher: what `ImageModel.group_matcher` returns: for each group a regular expression, or a
            list of expressions with the end of their order. Within a group, parameters are ordered
            by the numbers that an expression captures; what no expression matches is the head,
            the last layer.
    """
    patterns = [
        (re.compile(pattern), group, end)
        for group, rules in enumerate(matcher.values())
        for pattern, end in _rules(rules)
    ]
    orders = {key: _sort_key(key, patterns) for key in keys}
    numbers: dict[_SortKey, int] = {}
    layer = -1
    for order in sorted(set(orders.values())):
        if layer < 0 or order[-1:] != LAST_GROUP:
            layer += 1
        numbers[order] = layer
    return {key: numbers[order] for key, order in orders.items()}


def _rules(rules: object) -> Iterator[tuple[str, _SortKey]]:
    """The expressions of a group, each with the end of its order."""
    if isinstance(rules, str):
        yield rules, ()
    elif isinstance(rules, list | tuple):
        for pattern, end in rules:
            yield pattern, end or ()


def _sort_key(key: str, patterns: Iterable[tuple[re.Pattern[str], int, _SortKey]]) -> _SortKey:
    """The sort key of a parameter: its group, the captured numbers, and the end of the order."""
    for pattern, group, end in patterns:
        if match := pattern.match(key):
            numbers = (float(number) for number in match.groups() if number is not None)
            return (group, *numbers, *end)
    return (float("inf"),)
