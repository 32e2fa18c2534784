"""A model is counted before any memory is taken, and stopped while it is made."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import typedvision as tv
from tests.toys import Toy, ToyConfig, declare
from typedvision.architecture import build
from typedvision.errors import LimitError, UsageError


def problem(name: str, limits: tv.Limits, **options: object) -> tv.Problem:
    spec = tv.specify(name, **options)
    with pytest.raises(LimitError) as caught:
        tv.create_model(spec, limits=limits, device="meta")
    (only,) = caught.value.problems
    return only


def test_each_limit_is_exact() -> None:
    model = tv.create_model("test_resnet", device="meta")
    tensors = [*model.parameters(), *model.buffers()]
    counts = {
        "params": sum(parameter.numel() for parameter in model.parameters()),
        "bytes": sum(tensor.numel() * tensor.element_size() for tensor in tensors),
        "modules": sum(1 for _ in model.modules()),
    }
    for name, count in counts.items():
        tv.create_model("test_resnet", limits=tv.Limits(**{name: count}), device="meta")
        found = problem("test_resnet", tv.Limits(**{name: count - 1}))
        assert (found.path, found.kind) == ((name,), "range")
        assert f"at most {count - 1:,}; 'test_resnet' has" in found.message


def test_all_limits_are_named_at_once() -> None:
    with pytest.raises(LimitError) as caught:
        tv.create_model("test_resnet", limits=tv.Limits(params=1, bytes=1), device="meta")
    assert [one.path for one in caught.value.problems] == [("params",), ("bytes",)]


def test_a_limit_on_parameters_is_one_on_buffers() -> None:
    """A position table of one block that few parameters index, 34 GB."""
    options = {"img_size": 4096, "depth": 1, "embed_dim": 8, "num_heads": 1}
    found = problem("beit_base_patch16_224", tv.Limits(params=1_000_000), **options)
    assert found.path == ("bytes",)
    assert "at most 8,000,000; 'beit_base_patch16_224' has 34,361," in found.message


def test_a_deep_model_is_refused_by_its_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.Module, "__init__", None)
    for name, option in ("resnet50", "layers"), ("convnext_tiny", "depths"):
        found = problem(name, tv.Limits(), **{option: [1024] * 4})
        assert found.message.startswith(f"must be at most 5,000; '{name}' has at least 16,4")


def test_what_no_plan_tells_is_stopped_while_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0
    init = nn.Module.__init__

    def counting(self: nn.Module, *args: object, **kwargs: object) -> None:
        nonlocal made
        made += 1
        init(self, *args, **kwargs)

    monkeypatch.setattr(nn.Module, "__init__", counting)
    found = problem("convmixer_768_32", tv.Limits(modules=500), depth=1024)
    assert found.message == "must be at most 500; 'convmixer_768_32' has more"
    assert made < 700  # of some 9,000


@pytest.mark.usefixtures("registry")
def test_what_no_number_of_bytes_can_hold_is_too_large() -> None:
    def fails(cls: type, cfg: ToyConfig) -> Toy:
        torch.empty(2**62, 2**10)
        return Toy(cfg)

    family = declare(build=classmethod(fails))
    assert family is not None
    found = problem("toy_small", tv.Limits())
    assert found.path == ("bytes",)


@pytest.mark.usefixtures("registry")
def test_another_error_of_a_build_stays_what_it_is() -> None:
    def fails(cls: type, cfg: ToyConfig) -> Toy:
        raise RuntimeError("a defect")

    declare(build=classmethod(fails))
    with pytest.raises(RuntimeError, match="a defect"):
        tv.create_model("toy_small", device="meta")


def test_modules_of_others_are_not_counted() -> None:
    with build._counted("one", tv.Limits(modules=2)):
        other = threading.Thread(target=lambda: nn.Sequential(*(nn.Identity() for _ in range(9))))
        other.start()
        other.join()
        nn.Sequential(nn.Identity())
    nn.Sequential(*(nn.Identity() for _ in range(9)))


@pytest.mark.parametrize("limits", [3, None, SimpleNamespace(params=1)])
def test_limits_are_limits(limits: object) -> None:
    with pytest.raises(UsageError, match=r"must be Limits\(params="):
        tv.create_model("test_resnet", limits=limits, device="meta")  # type: ignore[call-overload]
