"""A fused model computes what the model does, and is what its spec says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import typedvision as tv
from tests.contract.conftest import image_size
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


def test_a_model_with_folded_normalisations_is_equal(small: ModelConfig) -> None:
    model = filled(small)
    kept = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    fused = inference_form(model)
    assert type(fused) is type(model)
    x = image((model.spec.config.in_chans, *image_size(model.spec.config)))
    seen: dict[tuple[int, int], str] = {}
    norms: list[tuple[tuple[int, int], str]] = []
    others: set[tuple[int, int]] = set()  # what something else reads, too
    outputs: list[Tensor] = []  # kept, so that no id comes again

    def note(module: torch.nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        given = (id(args[0]), args[0]._version) if args else (0, 0)  # unless changed in place
        if isinstance(module, BATCH_NORMS) and given in seen:
            norms.append((given, f"{seen[given]} and {paths[module]}"))
        elif args and output is not args[0]:
            others.add(given)
        if type(module) in (torch.nn.Conv2d, torch.nn.Linear):
            seen[id(output), output._version] = paths[module]
            outputs.append(output)

    def keep(module: torch.nn.Module, args: object, output: Tensor) -> None:
        seen.pop((id(output), getattr(output, "_version", 0)), None)  # a level stays as it is

    paths = {module: path for path, module in fused.named_modules()}
    for module in paths:
        if not [*module.children()]:
            module.register_forward_hook(note)
    for level in fused.feature_info:
        fused.get_submodule(level.name).register_forward_hook(keep)
    with torch.no_grad():
        expected = model.eval()(x)
        assert torch.allclose(fused(x), expected, rtol=1e-9, atol=1e-9 * expected.abs().max())
    missed = [pair for given, pair in norms if given not in others]
    assert not missed, "a module does not say that these follow each other: see `folds`"
    assert all(torch.equal(tensor, kept[key]) for key, tensor in model.state_dict().items())
