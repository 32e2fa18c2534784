"""Fine-tune a model on a folder of images, in one process or in many.

The folder has `train/CLASS/*` and `val/CLASS/*`. One process: `python finetune.py FOLDER`. Several,
on several machines too: `torchrun ... finetune.py FOLDER`; each has the whole model (DDP), or, with
`--sharded`, a part of it (FSDP2). Called again, it resumes from the last checkpoint.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_state_dict,
    set_state_dict,
)
from torch.distributed.fsdp import fully_shard
from torch.distributions import Beta
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

import typedvision as tv

DEFAULTS = {
    **{"out": "out", "epochs": 10, "batch": 64, "workers": 2, "seed": 0, "save-every": 1_000_000},
    **{"lr": 1e-3, "weight-decay": 0.05, "layer-decay": 0.75, "warmup": 0.1, "clip": 1.0},
    **{"ema": 0.999, "smoothing": 0.1, "mixup": 0.0, "scale": 0.35, "flip": 0.5},
}
Transform = tv.TrainingTransform | tv.EvaluationTransform


class Images(Dataset[tuple[Tensor, int]]):
    """The images of a folder by class, each transformed by random numbers of its own."""

    def __init__(self, folder: Path, transform: Transform) -> None:
        self.classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
        found = ((path, self.classes.index(path.parent.name)) for path in folder.glob("*/*"))
        self.files, self.transform = sorted(found), transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, int]:
        """The image `key[1]`, as the random numbers of `key` transform it, and its class."""
        path, label = self.files[key[1]]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(hash(key))
            return self.transform(path), label


class Training:
    """One model on its way: weights, their moving average, moments, and the losses so far."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.out = options, Path(options.out)
        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        cuda = torch.cuda.is_available()
        self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if cuda else "cpu"
        self.classes = Images(Path(options.folder, "train"), lambda image: image).classes
        source = options.model
        if source.endswith(".json"):
            source = tv.ModelSpec.from_json(Path(source).read_text())
        whole = tv.create_model(
            source, num_classes=len(self.classes), pretrained=options.pretrained, seed=options.seed,
            checkpoint_path=options.checkpoint, device=self.device,
        )  # fmt: skip
        self.spec = whole.spec.replace(class_names=self.classes)
        scale = (options.scale, 1.0)
        augment = tv.TrainingTransform(self.spec.image, scale=scale, flip=options.flip)
        self.train = Images(Path(options.folder, "train"), augment)
        self.val = Images(Path(options.folder, "val"), tv.make_transform(self.spec))
        self.epoch_steps = len(self.train) // options.batch
        if not self.epoch_steps or options.batch % (2 * self.world):
            raise SystemExit("--batch: at most the training images, in pairs for each process")
        self.steps = self.epoch_steps * options.epochs
        self.losses, self.accuracies = torch.zeros(self.steps), torch.zeros(options.epochs)
        if options.sharded:
            for child in whole.children():
                for block in child if isinstance(child, nn.Sequential | nn.ModuleList) else ():
                    fully_shard(block)
            fully_shard(whole)
        self.model: nn.Module = whole
        if self.world > 1 and not options.sharded:
            self.model = DistributedDataParallel(whole)
        rates = {name: getattr(options, name) for name in ("lr", "weight_decay", "layer_decay")}
        groups = tv.parameter_groups(whole, **rates)
        self.rates = [group["lr"] for group in groups]
        self.optimizer = torch.optim.AdamW(groups)
        self.weights = dict(whole.named_parameters())
        self.average = {key: weight.detach().clone() for key, weight in self.weights.items()}

    def state(self) -> dict[str, object]:
        """All that a resumed run needs; random numbers follow from the step."""
        model, moments = get_state_dict(self.model, self.optimizer)
        curves = {"losses": self.losses, "accuracies": self.accuracies}
        return {"model": model, "moments": moments, "average": self.average, **curves}

    def save(self, step: int) -> None:
        """Write a checkpoint; it counts once `.metadata` is there, and older ones go then."""
        dcp.save(self.state(), checkpoint_id=self.out / "checkpoints" / str(step))
        if self.rank == 0:
            for old in self.out.glob("checkpoints/*"):
                if old.name != str(step):
                    shutil.rmtree(old)

    def resume(self) -> int:
        """Read the last whole checkpoint; the step that it was written after, 0 without one."""
        whole = self.out.glob("checkpoints/*/.metadata")
        last = max([int(path.parent.name) for path in whole], default=0)
        if last:
            saved = self.state()
            dcp.load(saved, checkpoint_id=self.out / "checkpoints" / str(last))
            parts = {"model_state_dict": saved["model"], "optim_state_dict": saved["moments"]}
            set_state_dict(self.model, self.optimizer, **parts)
        return last

    def batches(self, step: int) -> Iterator[list[tuple[int, int]]]:
        """From a step on, this process's part of each batch, as keys of the training images."""
        share = self.options.batch // self.world
        for epoch in range(step // self.epoch_steps, self.options.epochs):
            generator = torch.Generator().manual_seed(hash((self.options.seed, epoch)))
            order = torch.randperm(len(self.train), generator=generator).tolist()
            for number in range(max(0, step - epoch * self.epoch_steps), self.epoch_steps):
                first = number * self.options.batch + self.rank * share
                yield [(self.options.seed + epoch, i) for i in order[first : first + share]]

    def fit(self) -> None:
        """Train from the last checkpoint to the end."""
        done, workers = self.resume(), self.options.workers
        loader = DataLoader(self.train, batch_sampler=self.batches(done), num_workers=workers)
        for step, (images, labels) in enumerate(loader, done + 1):
            self.losses[step - 1] = self.learn(step, images.to(self.device), labels.to(self.device))
            epoch, left = divmod(step, self.epoch_steps)
            if left == 0:
                self.accuracies[epoch - 1] = right = self.evaluate()
                spread = 1.96 * math.sqrt(right * (1 - right) / len(self.val))
                if self.rank == 0:
                    loss = self.losses[step - self.epoch_steps : step].mean()
                    print(f"epoch {epoch}: loss {loss:.3f}, accuracy {right:.1%} +- {spread:.1%}")
            if left == 0 or step % self.options.save_every == 0:
                self.save(step)
        self.finish()

    def learn(self, step: int, images: Tensor, labels: Tensor) -> float:
        """One step of the optimizer; the loss, averaged over the processes."""
        options, share = self.options, step / self.steps
        factor = min(1.0, share / options.warmup) * (1 + math.cos(math.pi * share)) / 2
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        self.model.train()
        dtype = next(iter(self.weights.values())).dtype
        torch.manual_seed(hash((options.seed, step)))
        kept = Beta(options.mixup, options.mixup).sample().item() if options.mixup else 1.0
        torch.manual_seed(hash((options.seed, step, self.rank)))  # of dropout
        # Mixed with the neighbour, so that a process needs no other's images.
        pairs = torch.arange(len(labels), device=labels.device).view(-1, 2).flip(1).flatten()
        images = torch.lerp(images[pairs], images, kept).to(dtype)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=options.bf16):
            logits = self.model(images)
        criterion = nn.CrossEntropyLoss(label_smoothing=options.smoothing)
        loss = kept * criterion(logits, labels) + (1 - kept) * criterion(logits, labels[pairs])
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.weights.values(), options.clip)
        self.optimizer.step()
        update = get_ema_multi_avg_fn(min(options.ema, (1 + step) / (10 + step)))
        with torch.no_grad():
            update(list(self.average.values()), list(self.weights.values()), step)
        dist.all_reduce(total := loss.detach())
        return total.item() / self.world

    @torch.no_grad()
    def exchange(self) -> None:
        """Exchange the weights and their moving average."""
        for key, weight in self.weights.items():
            kept = weight.clone()
            weight.copy_(self.average[key])
            self.average[key].copy_(kept)

    @torch.no_grad()
    def evaluate(self) -> float:
        """The share of validation images that the averaged weights classify rightly."""
        self.exchange()
        self.model.eval()
        share = math.ceil(len(self.val) / self.world)  # equal, since sharded models run together
        mine = [(0, i % len(self.val)) for i in range(self.rank * share, (self.rank + 1) * share)]
        right, seen = torch.zeros((), device=self.device), self.rank * share
        dtype = next(iter(self.weights.values())).dtype
        for images, labels in DataLoader(self.val, self.options.batch, sampler=mine):
            hits = self.model(images.to(self.device, dtype)).argmax(-1).cpu() == labels
            right += hits[: max(0, len(self.val) - seen)].sum()  # some are there twice
            seen += len(labels)
        dist.all_reduce(right)
        self.exchange()
        return right.item() / len(self.val)

    def finish(self) -> None:
        """Save the averaged model with its labels and its accuracy, and draw the losses."""
        self.exchange()
        all_of_it = StateDictOptions(full_state_dict=True, cpu_offload=True)
        tensors = get_model_state_dict(self.model, options=all_of_it)
        if self.rank == 0:
            facts = {"accuracy": self.accuracies[-1].item(), "images": len(self.val)}
            plain = tv.create_model(self.spec.replace(metadata=facts))
            plain.load_state_dict(tensors)
            tv.save_model(plain, self.out / "model.safetensors")
            draw(self.out / "losses.png", self.losses.tolist())


def draw(path: Path, losses: Sequence[float]) -> None:
    """Write a PNG of the loss at each step, between 0 and the largest."""
    page, top, step = Image.new("RGB", (640, 320), "white"), max(losses), 560 / len(losses)
    pen = ImageDraw.Draw(page)
    pen.line([(40, 40), (40, 280), (600, 280)], fill="#818b98")
    points = [(40 + i * step, 280 - 240 * loss / top) for i, loss in enumerate(losses, 1)]
    pen.line(points, fill="#2f81d6", width=2)
    pen.text((40, 20), f"loss of {len(losses):,} steps, at most {top:.2f}", fill="black")
    page.save(path)


def main(arguments: Sequence[str] | None = None) -> Training:
    """Train as the command line says, and save `OUT/model.safetensors`."""
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("folder", help="train/CLASS/* and val/CLASS/*")
    parser.add_argument("--model", default="resnet50", help="a name, name.tag, or a spec file")
    parser.add_argument("--checkpoint", help="a safetensors file with the weights to go on from")
    for name in ("pretrained", "sharded", "bf16"):
        parser.add_argument(f"--{name}", action="store_true")
    for name, default in DEFAULTS.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help=" ")
    options = parser.parse_args(arguments)
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    alone = {} if "RANK" in os.environ else {"store": dist.HashStore(), "rank": 0, "world_size": 1}
    dist.init_process_group(backend, **alone)
    try:
        training = Training(options)
        training.fit()
        return training
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
