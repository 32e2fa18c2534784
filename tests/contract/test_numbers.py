"""What a model computes: the peer's numbers, and the same ones by every way there is."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

import typedvision as tv
from tests.contract.conftest import image_size, of_each_base, takes_seconds
from tests.contract.facts import CASE, CASES, COMPUTED, Case
from tests.contract.filling import Fingerprint, branches, fill, fingerprint, image, randn
from tests.contract.groups import outside_of_groups
from tests.contract.models import filled, images, same, shared, unfilled
from tools.choices import choices
from typedvision.architecture.image_model import ImageModel
from typedvision.config.base import ModelConfig
from typedvision.registry import index

OWN_ORDER = {"hiera"}  # tokens that subsampling joins stand together, and not row by row
TOLERANCE = 1e-6  # of the root mean square, in float64


def agree(found: Fingerprint, wanted: Fingerprint) -> bool:
    numbers = zip([found["rms"], *found["values"]], [wanted["rms"], *wanted["values"]], strict=True)
    worst = max(abs(one - other) for one, other in numbers)
    return found["shape"] == wanted["shape"] and worst <= TOLERANCE * wanted["rms"]


@pytest.mark.parametrize("case", CASE, ids=lambda case: case["case"])
@torch.inference_mode()
def test_outputs_are_the_peers(case: Case) -> None:
    model = unfilled(tv.specify(case["case"], **case["options"]))
    fill(model, case["gain"])
    channels, height, width = case["input"]
    x = image((channels, height, width))
    features, levels = _intermediates(model, x)
    assert agree(fingerprint(branches(features)[-1]), case["features"])
    assert agree(fingerprint(model.forward_head(features)), case["logits"])
    if "pyramid" in case:
        assert all(map(agree, map(fingerprint, levels), case["pyramid"]))
        assert len(levels) == len(case["pyramid"])
    for level, told in zip(levels, model.spec.config.features(), strict=True):
        assert level.shape[:2] == (1, told.channels)
        for side, found in zip((height, width), level.shape[2:], strict=True):
            steps = -(-(side - told.margin) // told.stride)
            # Patches that overlap are one fewer; MobileViT's patches make an odd side even.
            assert found in (steps - 1, steps, steps + steps % 2)


@pytest.mark.parametrize("key", CASES)
def test_every_choice_of_a_published_model_is_compared(key: str) -> None:
    made = frozenset().union(*map(choices, index.family(key).variants.values()))
    cases = [tv.configure(case["case"], **case["options"]) for case in CASES[key]]
    missed = sorted(made.difference(*map(choices, cases)))
    assert missed == [], f"run `python -m tools.golden`, which finds cases of {key}"


def test_a_small_difference_is_seen() -> None:
    wanted = fingerprint(randn((2, 9), seed=0))
    assert agree(fingerprint(randn((2, 9), seed=0) + 1e-8), wanted)
    assert not agree(fingerprint(randn((2, 9), seed=0) + 3e-6), wanted)
    assert not agree(fingerprint(randn((9, 2), seed=0)), wanted)


@of_each_base
@torch.inference_mode()
def test_without_classes_it_returns_what_the_classifier_would_see(small: ModelConfig) -> None:
    bare, model, x = shared(small, num_classes=0), shared(small), images(small)
    same(bare(x), model.forward_head(model.forward_features(x), pre_logits=True))
    assert list(bare.get_classifier().parameters()) == []


FOR_COLOURS = [family.config_type() for family in COMPUTED if family.key == "csatv2"]
"""Their stems take red, green and blue, and nothing else."""


@of_each_base
def test_any_number_of_channels_goes_in(small: ModelConfig) -> None:
    if type(small) in FOR_COLOURS:
        with pytest.raises(tv.ConfigError, match="in_chans"):
            small.replace(in_chans=5)
        return
    cfg = small.replace(in_chans=5)
    model = tv.create_model(cfg, seed=0)
    assert model(images(cfg).float()).shape == (2, small.num_classes)


WITH_THE_HEAD = ("incre_modules", "downsamp_modules", "final_layer", "final_conv", "msfa")
"""HRNet's representation head, FastViT's last convolution and the fusion of MobileNetV5, which the
peer counts to the head."""


@of_each_base
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_other_precisions_come_close(small: ModelConfig, dtype: torch.dtype) -> None:
    exact = shared(small)(images(small))
    model = filled(small).to(dtype)
    out = model(images(small).to(dtype))
    assert out.dtype == dtype
    error = (out.double() - exact).square().mean().sqrt() / exact.square().mean().sqrt()
    assert error < 100 * torch.finfo(dtype).eps


@takes_seconds
def test_a_fresh_model_learns(small: ModelConfig) -> None:
    model = tv.create_model(small, seed=0).train()
    x, classes = images(small, count=4).float(), torch.arange(4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(40):
        loss = nn.functional.cross_entropy(model(x), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


@of_each_base
def test_only_the_head_stands_outside_of_the_groups(small: ModelConfig) -> None:
    model = filled(small).train()
    for features in branches(model.forward_features(images(small))):
        features.square().mean().backward(retain_graph=True)
    names = [name for name, _ in model.named_parameters()]
    last_norm = model.feature_info[-1].name.replace(".act", ".norm") + "."
    head = {
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None
        or (name.startswith(last_norm) and parameter.ndim == 1)
        or name.startswith(WITH_THE_HEAD)
    }
    assert set(outside_of_groups(model, names)) <= head


@torch.inference_mode()
def test_intermediates_are_the_levels(small: ModelConfig) -> None:
    model, x = filled(small), images(small)
    outputs: dict[str, Tensor] = {}
    for level in model.feature_info:
        _keep_output(model.get_submodule(level.name), level.name, outputs)
    final, levels = _intermediates(model, x)
    same(final, model.forward_features(x))
    same(model.forward_head(final), model(x))
    assert len(levels) == len(model.feature_info)
    height, width = image_size(small)
    for level, spec in zip(levels, model.feature_info, strict=True):
        assert level.shape[:2] == (2, spec.channels)
        for size, side in zip(level.shape[2:], (height, width), strict=True):
            steps = (side - spec.margin) // spec.stride
            assert size in (steps - 1, steps)  # patches that overlap are one fewer
        output = outputs[spec.name]
        if output.ndim == 3:  # tokens: those of the class and of registers stand before the map's
            tokens = output[:, -level[0, 0].numel() :]
            output = tokens.transpose(1, 2).unflatten(2, level.shape[-2:])
            if model.spec.family in OWN_ORDER:
                level, output = level.flatten(2).sort()[0], output.flatten(2).sort()[0]
        elif output.shape[-1] == spec.channels and not torch.equal(output, level):
            output = output.permute(0, 3, 1, 2)  # a map whose channels are last
        same(level, output)


def _keep_output(module: nn.Module, name: str, outputs: dict[str, Tensor]) -> None:
    def keep(_module: nn.Module, _args: object, output: Tensor | tuple[Tensor, ...]) -> None:
        level = output if isinstance(output, Tensor) else output[0]
        outputs[name] = level.clone()

    module.register_forward_hook(keep)


def _intermediates(model: ImageModel, x: Tensor, **options: object) -> tuple[Tensor, list[Tensor]]:
    found = model.forward_intermediates(x, **options)  # type: ignore[arg-type]
    assert isinstance(found, tuple)
    return found


@of_each_base
@torch.inference_mode()
def test_some_intermediates_are_some_of_all(small: ModelConfig) -> None:
    model, x = shared(small), images(small)
    _, levels = _intermediates(model, x)
    final, last = _intermediates(model, x, indices=1)
    same(final, model.forward_features(x))
    same(last[0], levels[-1])
    chosen = model.forward_intermediates(
        x, indices=[0, -1], stop_early=True, intermediates_only=True
    )
    assert isinstance(chosen, list)
    assert len(chosen) == 2
    same(chosen[0], levels[0])
    same(chosen[1], levels[-1])
    with pytest.raises(tv.ConfigError, match="feature levels"):
        model.forward_intermediates(x, indices=[len(levels)])


@of_each_base
@torch.inference_mode()
def test_stopping_after_the_last_level_changes_nothing(small: ModelConfig) -> None:
    model, x = shared(small), images(small)
    final, levels = _intermediates(model, x, stop_early=True)
    same(final, model.forward_features(x))
    same(levels[-1], _intermediates(model, x)[1][-1])


@of_each_base
@torch.inference_mode()
def test_intermediates_in_every_layout(small: ModelConfig) -> None:
    model, x = shared(small), images(small)
    _, maps = _intermediates(model, x)
    for layout in ("NHWC", "NLC"):
        _, found = _intermediates(model, x, output_fmt=layout)
        for one, other in zip(found, maps, strict=True):
            assert one.ndim == len(layout)
            same(one, other.permute(0, 2, 3, 1).reshape(one.shape))
    with pytest.raises(tv.ConfigError, match="'NHWC'"):
        _intermediates(model, x, output_fmt="NWHC")


@of_each_base
@torch.inference_mode()
def test_stopping_early_computes_less(small: ModelConfig) -> None:
    model, ran = filled(small), []
    for module in model.modules():
        module.register_forward_hook(lambda *_: ran.append(1))
    counts = []
    for stop_early in (True, False):
        ran.clear()
        _intermediates(model, images(small), indices=[0], stop_early=stop_early)
        counts.append(len(ran))
    assert counts[0] < counts[1]


@takes_seconds
def test_training_compiles_without_a_break(small: ModelConfig) -> None:
    torch.compiler.reset()
    model, x = filled(small).train(), images(small)
    compiled = torch.compile(copy.deepcopy(model), fullgraph=True, backend="eager")
    torch.manual_seed(0)  # the same branches are dropped
    wanted = model(x)
    torch.manual_seed(0)
    same(compiled(x), wanted)


@of_each_base
def test_copies_are_the_same_model(small: ModelConfig) -> None:
    model = filled(small)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        same(twin(images(small)), model(images(small)))
        assert twin.spec == model.spec
        assert {id(p) for p in twin.parameters()}.isdisjoint(id(p) for p in model.parameters())
