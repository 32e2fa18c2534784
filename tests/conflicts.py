"""What tests of families ask of a conflict between options."""

from __future__ import annotations

import pytest

from typedvision.config.base import ModelConfig
from typedvision.errors import ConfigError


def conflict(config: ModelConfig, options: dict[str, object]) -> str:
    """The message of the one conflict that a config has with these options.

    It stands at one or more of the options, and nowhere else.
    """
    with pytest.raises(ConfigError) as caught:
        config.replace(**options)
    problems = caught.value.problems
    assert {problem.kind for problem in problems} == {"conflict"}
    assert {problem.path[0] for problem in problems} <= set(options)
    (message,) = {problem.message for problem in problems}
    return message
