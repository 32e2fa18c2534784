"""What every test shares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from typedvision.registry import family, index

torch.set_num_threads(1)  # the models are small: threads only cost


@pytest.fixture
def registry() -> Iterator[None]:
    """Forgets, at the end of the test, the families that it declared."""
    yield
    for key in family.registered.keys() - index.rows().keys():
        del family.registered[key]
    index._plugins.cache_clear()
    family._weights_file.cache_clear()
    family._weights.cache_clear()
