"""What every family must keep, as checks for families of one's own.

    from typedvision.testing import check_family

    def test_the_family_keeps_what_it_declares() -> None:
        check_family(PebbleFamily)

Importing this loads no torch; a check does. With pytest's option `-p typedvision.testing.plugin`
each check is a test of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from typedvision.errors import DeclarationError, problem_count

if TYPE_CHECKING:
    from typedvision.config.base import ModelConfig
    from typedvision.registry.family import ModelFamily

ConfigT = TypeVar("ConfigT", bound="ModelConfig")


def check_family(
    family: type[ModelFamily[ConfigT, object]], *, small: ConfigT | None = None
) -> None:
    """Check that a family does what it declares.

    On the meta device, for each published variant: its spec, its plan, its options' bounds, the
    modules that `parts()` names, the channels and strides of `features()`, poolings and input
    sizes, groups of parameters. Then with numbers, for one small model: initial weights, gradients,
    checkpointing, backbones, a new classifier, saving and loading, export.

    Args:
        family: the family.
        small: the config of the model that computes; by default the variant with the fewest
            parameters. It should have classes, and be small: a few seconds are spent on it.

    Raises:
        DeclarationError: with everything that is wrong; numbers are only looked at where the
            description is right.
    """
    from typedvision.testing.checks import COMPUTED, DESCRIBED, findings, smallest

    problems = findings(DESCRIBED, family.variants)
    if not problems:
        problems = findings(COMPUTED, {"small": small or smallest(family.variants.values())})
    if problems:
        summary = f"{family.__name__} breaks its word: {problem_count(len(problems))}"
        raise DeclarationError(summary, problems)
