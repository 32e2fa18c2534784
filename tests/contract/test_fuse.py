"""A fused model computes what the model does, and is what its spec says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

import typedvision as tv
from tests.contract.conftest import image_size, of_each_base
from tests.contract.facts import COMPUTED
from tests.contract.filling import image
from tests.contract.models import filled
from typedvision.architecture.fuse import inference_form
from typedvision.config.base import ModelConfig

FUSABLE = [family for family in COMPUTED if "inference_mode" in family.config_type().model_fields]


@pytest.mark.parametrize("family", FUSABLE, ids=lambda family: family.key)
def test_a_fused_model_is_equal_and_smaller(small: ModelConfig, tmp_path: Path) -> None:
    model = filled(small).train()
    kept = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    fused = tv.fuse(model, norms=False)
    assert type(fused) is type(model)
    assert not fused.training
    assert fused.spec == model.spec.with_options(inference_mode=True)
    assert len(fused.state_dict()) < len(kept)

    x = image((model.spec.config.in_chans, *image_size(model.spec.config)))
    with torch.inference_mode():
        expected = model.eval()(x)
        assert torch.allclose(fused(x), expected, rtol=1e-9, atol=1e-9 * expected.abs().max())
    assert all(torch.equal(tensor, kept[key]) for key, tensor in model.state_dict().items())

    built = tv.create_model(fused.spec, device="meta")
    assert [*built.state_dict()] == [*fused.state_dict()]
    tv.save_model(fused, tmp_path / "fused.safetensors")
    loaded = tv.load_model(tmp_path / "fused.safetensors").eval()
    with torch.inference_mode():
        assert torch.equal(loaded(x.to(next(loaded.parameters()).dtype)), fused(x))


BATCH_NORMS = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)


class Readers(TorchFunctionMode):
    """Counts what reads each tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[tuple[int, int]] = Counter()

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Collection[type],
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        read = [moment(x) for x in args if isinstance(x, Tensor)]
        with torch._C.DisableTorchFunction():  # a function of functions reads once
            found = func(*args, **(kwargs or {}))
        if isinstance(found, Tensor | list | tuple) and not isinstance(found, torch.Size):
            self.counts.update(read)  # values, and no shape alone
        return found


def moment(x: Tensor) -> tuple[int, int]:
    """A tensor as it is now, before it is changed in place."""
    return id(x), x._version


@of_each_base
def test_a_model_with_folded_normalisations_is_equal(small: ModelConfig) -> None:
    model = filled(small)
    kept = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    fused = inference_form(model)
    assert type(fused) is type(model)
    x = image((model.spec.config.in_chans, *image_size(model.spec.config)))
    seen: dict[tuple[int, int], str] = {}
    norms: list[tuple[tuple[int, int], str]] = []
    outputs: list[Tensor] = []  # kept, so that no id comes again

    def note(module: torch.nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, BATCH_NORMS) and moment(args[0]) in seen:
            norms.append((moment(args[0]), f"{seen[moment(args[0])]} and {paths[module]}"))
        if type(module) in (torch.nn.Conv2d, torch.nn.Linear):
            seen[moment(output)] = paths[module]
            outputs.append(output)

    def keep(module: torch.nn.Module, args: object, output: Tensor) -> None:
        seen.pop((id(output), getattr(output, "_version", 0)), None)  # a level stays as it is

    paths = {module: path for path, module in fused.named_modules()}
    for module in paths:
        if not [*module.children()]:
            module.register_forward_hook(note)
    for level in fused.feature_info:
        fused.get_submodule(level.name).register_forward_hook(keep)
    with torch.no_grad(), Readers() as readers:
        found = fused(x)
    with torch.no_grad():
        expected = model.eval()(x)
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-9 * expected.abs().max())
    missed = [pair for read, pair in norms if readers.counts[read] == 1]
    assert not missed, "a module does not say that these follow each other: see `folds`"
    assert all(torch.equal(tensor, kept[key]) for key, tensor in model.state_dict().items())
