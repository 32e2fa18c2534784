"""Initial weights: each distribution is the one that it says, from a stream of its own."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor, nn

from typedvision.layers import init
from typedvision.layers.init import Initializer, default_initializers, initialize, stream

SHAPE = (64, 32, 5, 5)
FAN_IN, FAN_OUT = 32 * 25, 64 * 25


def drawn(fill: Initializer, shape: tuple[int, ...] = SHAPE, seed: int = 0) -> Tensor:
    tensor = torch.full(shape, math.nan)
    fill(tensor, Generator().manual_seed(seed))
    return tensor


@pytest.mark.parametrize(
    ("fill", "mean", "std", "bound"),
    [
        (init.normal(0.02), 0.0, 0.02, math.inf),
        (init.normal(0.02, mean=1.0), 1.0, 0.02, math.inf),
        (init.uniform(0.3), 0.0, 0.3 / math.sqrt(3.0), 0.3),
        (init.trunc_normal(0.02), 0.0, 0.02, 2.0),
        (init.trunc_normal(1.0), 0.0, 0.87962566103423978, 2.0),
        (init.lecun_normal(), 0.0, FAN_IN**-0.5, 2.0 * FAN_IN**-0.5 / 0.8796),
        (init.kaiming_normal_fan_out(), 0.0, math.sqrt(2.0 / FAN_OUT), math.inf),
        (init.xavier_uniform(), 0.0, math.sqrt(2.0 / (FAN_IN + FAN_OUT)), 1.0),
    ],
)
def test_a_distribution_has_its_spread(
    fill: Initializer, mean: float, std: float, bound: float
) -> None:
    tensor = drawn(fill)
    chance = 5.0 / math.sqrt(tensor.numel())
    assert tensor.mean().item() == pytest.approx(mean, abs=chance * std)
    assert tensor.std().item() == pytest.approx(std, rel=chance)
    assert tensor.abs().max() <= bound
    assert torch.equal(tensor, drawn(fill))
    assert not torch.equal(tensor, drawn(fill, seed=1))


def test_constants_are_constant() -> None:
    assert drawn(init.zeros).eq(0.0).all()
    assert drawn(init.ones).eq(1.0).all()
    assert drawn(init.constant(0.25)).eq(0.25).all()
    assert torch.equal(drawn(init.values(lambda: torch.arange(4.0)), (4,)), torch.arange(4.0))


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Linear(40, 60),
        lambda: nn.Conv2d(8, 16, 3, bias=False),
        lambda: nn.Conv2d(8, 16, 3, groups=4),
        lambda: nn.Conv1d(8, 16, 3),
        lambda: nn.BatchNorm2d(4),
        lambda: nn.LayerNorm(4),
        lambda: nn.GroupNorm(2, 4),
        lambda: nn.RMSNorm(4),
        nn.PReLU,
    ],
)
def test_pytorchs_own_layers_are_initialised_as_in_pytorch(make) -> None:
    torch.manual_seed(0)
    theirs = make()
    ours = make()
    for tensor in ours.state_dict().values():
        tensor.fill_(77)
    initialize(ours, 0, lambda _, module: default_initializers(module))
    for key, tensor in ours.state_dict().items():
        other = theirs.state_dict()[key]
        if tensor.numel() < 200:
            assert tensor.abs().max() <= max(other.abs().max() * 3, 1.0)
        else:
            assert tensor.std().item() == pytest.approx(other.std().item(), rel=0.15)
            assert tensor.abs().max().item() == pytest.approx(other.abs().max().item(), rel=0.1)
        if other.unique().numel() == 1:
            assert torch.equal(tensor, other)


def test_a_stream_depends_on_the_seed_and_the_key_alone() -> None:
    assert stream(0, "fc.weight") == stream(0, "fc.weight")
    assert len({stream(seed, key) for seed in range(20) for key in ("a", "b", "ab")}) == 60
    assert stream(1, "2:a") != stream(12, "a")


def test_only_what_is_named_is_filled() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    initialize(model, 0, lambda _, module: default_initializers(module), only={"1.weight"})
    changed = {k for k, tensor in model.state_dict().items() if not torch.equal(tensor, before[k])}
    assert changed == {"1.weight"}


def test_a_tensor_without_a_beginning_is_a_mistake() -> None:
    class Forgetful(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("table", torch.empty(3), persistent=False)

    model = nn.Sequential(Forgetful())
    with pytest.raises(
        LookupError, match=r"0\.table has no init.* say it in Forgetful\.initializers"
    ):
        initialize(model, 0, lambda _, module: default_initializers(module))


@pytest.mark.parametrize("threads", [1, 4])
def test_the_number_of_threads_does_not_matter(threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        model = nn.Sequential(*(nn.Linear(5, 5) for _ in range(20)))
        initialize(model, 0, lambda _, module: default_initializers(module))
    finally:
        torch.set_num_threads(before)
    expected = torch.empty(5, 5).uniform_(
        -(5**-0.5), 5**-0.5, generator=Generator().manual_seed(stream(0, "7.weight"))
    )
    assert torch.equal(model[7].weight, expected)
