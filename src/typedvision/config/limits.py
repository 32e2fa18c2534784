"""How large a model a caller is ready to build."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from numbers import Integral

from typedvision.errors import UsageError, shown

_BYTES_OF_A_PARAMETER = 8
"""Its four, and as many for buffers; of published models, tiny_vit_21m_512 has most, 6.5."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that a model keeps, or is refused before any memory is taken.

    By default every published model passes, the largest with 6.7 billion parameters, and nothing
    ten times as large.

    Raises:
        UsageError: a bound is not an integer, or is negative.
    """

    params: int = 10_000_000_000
    """Most parameters that a model may have."""
    bytes: int | None = None
    """Most bytes of its parameters and buffers together, as they are in PyTorch's default type; by
    default eight for each of `params`."""
    modules: int = 5_000
    """Most modules that a model may have, which bounds the time that building it takes. The
    plan tells how many there are at least; else they are counted while they are made, with those
    that a backbone leaves out. The deepest published model has 2,675."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            bound: object = getattr(self, field.name)
            if bound is None and field.name == "bytes":
                continue
            if isinstance(bound, bool) or not isinstance(bound, Integral) or bound < 0:
                example = field.default or _BYTES_OF_A_PARAMETER * self.params
                raise UsageError(
                    f"limits are integers that are not negative: Limits({field.name}="
                    f"{example:_}); got {shown(bound)}"
                )

    @property
    def most_bytes(self) -> int:
        """Most bytes of parameters and buffers together, whether given or by default."""
        return _BYTES_OF_A_PARAMETER * self.params if self.bytes is None else self.bytes


ANY_SIZE = Limits(params=2**63, modules=2**63)
"""For a model that is there already."""
DEFAULT_LIMITS = Limits()
"""Above every published model."""
