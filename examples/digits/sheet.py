"""Draw digits with the predictions of the models."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

COLUMNS = 8
DIGIT = 112  # pixels
LINE = 16
PADDING = 10
INK, RIGHT, WRONG, PAPER = "#1f2430", "#2f855a", "#c53030", "#ffffff"


def draw(path: Path, images: Tensor, labels: Tensor, logits: dict[str, Tensor]) -> Path:
    """Write a PNG of the digits that the models are least sure of, and some others.

    Args:
        path: the file.
        images: (N, 1, 8, 8), values in [0, 1].
        labels: (N,).
        logits: of each model, (N, 10).
    """
    chosen = hardest(logits, 2 * COLUMNS) + list(range(COLUMNS))
    cell = DIGIT + 2 * PADDING, DIGIT + LINE * (len(logits) + 1) + 2 * PADDING
    sheet = Image.new("RGB", (cell[0] * COLUMNS, cell[1] * -(-len(chosen) // COLUMNS)), PAPER)
    for place, index in enumerate(chosen):
        corner = place % COLUMNS * cell[0] + PADDING, place // COLUMNS * cell[1] + PADDING
        votes = {name: model[index].softmax(0) for name, model in logits.items()}
        draw_digit(sheet, corner, images[index, 0], int(labels[index]), votes)
    sheet.save(path)
    return path


def hardest(logits: dict[str, Tensor], count: int) -> list[int]:
    """The digits on which the models' mean confidence is lowest."""
    confidence = sum(model.softmax(1).amax(1) for model in logits.values())
    assert isinstance(confidence, Tensor)
    return confidence.argsort()[:count].tolist()


def draw_digit(
    sheet: Image.Image, corner: tuple[int, int], digit: Tensor, label: int, votes: dict[str, Tensor]
) -> None:
    """One digit, its label, and each model's prediction with its confidence."""
    grey = Image.fromarray((255 * (1 - digit)).byte().numpy())
    sheet.paste(grey.resize((DIGIT, DIGIT), Image.Resampling.NEAREST), corner)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    x, y = corner[0], corner[1] + DIGIT + 2
    pen.text((x, y), f"this is a {label}", fill=INK, font=font)
    for line, (name, vote) in enumerate(votes.items(), start=1):
        guess = int(vote.argmax())
        colour = RIGHT if guess == label else WRONG
        pen.text((x, y + line * LINE), f"{name} {guess} {vote[guess]:.0%}", fill=colour, font=font)
