"""Lightning trains a model, and `convert` reads its checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

import typedvision as tv


class Classifier(pl.LightningModule):
    """Somebody's training."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.net = tv.create_model(name, num_classes=3, seed=0)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        groups = tv.parameter_groups(self.net, lr=1e-3, weight_decay=0.05, layer_decay=0.7)
        return torch.optim.AdamW(groups)


@pytest.mark.filterwarnings("ignore")  # what Lightning says of loggers and workers
@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet"])
def test_its_checkpoint_is_converted(name: str, tmp_path: Path) -> None:
    images = torch.randn(4, 3, *tv.specify(name).image.size)
    loader = DataLoader(TensorDataset(images, torch.tensor([0, 1, 2, 0])), batch_size=2)
    module, quiet = Classifier(name), {"enable_progress_bar": False, "logger": False}
    trainer = pl.Trainer(max_epochs=1, accelerator="cpu", enable_checkpointing=False, **quiet)
    trainer.fit(module, loader)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    tv.convert(tmp_path / "last.ckpt", tmp_path / "ours.safetensors", module.net.spec)
    loaded = tv.load_model(tmp_path / "ours.safetensors").state_dict()
    assert all(torch.equal(loaded[key], tensor) for key, tensor in module.net.state_dict().items())
