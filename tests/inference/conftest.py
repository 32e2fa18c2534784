from __future__ import annotations

import pytest

import typedvision as tv

SIZE = 32


@pytest.fixture(scope="session")
def model() -> tv.ImageModel:
    """A small network with batch normalisations, which no test changes."""
    return tv.create_model("test_resnet", num_classes=5, seed=1)


@pytest.fixture(scope="session")
def fast(model: tv.ImageModel) -> tv.InferenceModel:
    """The model on the fastest engine of this machine."""
    return tv.optimize(model, batch_size=2, img_size=SIZE, threads=1)
