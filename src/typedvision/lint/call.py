"""A call of the library as its source has it; standard library only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, NamedTuple


class _Unknown(Enum):
    UNKNOWN = "?"

    def __repr__(self) -> str:
        return self.value


UNKNOWN: Final = _Unknown.UNKNOWN
"""The value of an argument that is no literal: only the run time knows it."""

Function = Literal["create_model", "create_backbone", "configure", "specify", "config"]
"""What is called: a function of the factory, or `config`, the class of a config."""

FACTORY: Mapping[str, Function] = {
    "create_model": "create_model",
    "create_backbone": "create_backbone",
    "configure": "configure",
    "specify": "specify",
}
"""The functions of the factory whose calls are validated, by their names."""
VARIANT: Mapping[str, Function] = {
    "__call__": "create_model",
    "backbone": "create_backbone",
    "config": "configure",
    "spec": "specify",
}
"""The methods of `models.NAME`, each with the function that it calls."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the library, as far as its source says what is passed."""

    function: Function
    """What is called."""
    model: object
    """The first argument; of `config` the dotted name of the class."""
    keywords: Mapping[str, object]
    """Each keyword with its value, `UNKNOWN` where it is no literal."""
    whole: bool = True
    """Whether `keywords` are all that is passed: there is no `**options`."""


class Verdict(NamedTuple):
    """What the library says of a call, as data that JSON holds."""

    variant: str | None
    """The variant that the call names, by its present name; None where it names none."""
    model: str | None
    """Dotted name of the class of the variant's models."""
    config: str | None
    """Dotted name of the class of the variant's configs."""
    problems: Sequence[tuple[str | None, str]]
    """Each problem: the keyword that it is at, None for the model; and a sentence."""
