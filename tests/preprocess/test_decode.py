"""Images of every kind are read as they look; damaged and hostile files are refused."""

from __future__ import annotations

import os
import random
import struct
import zlib
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

import typedvision as tv
from tests.preprocess.images import encoded, pixels, sample_image
from typedvision.preprocess.decode import FORMATS, MAX_PIXELS, decode, suffixes, to_tensor


def read(image: object, channels: int = 3) -> Tensor:
    return to_tensor(decode(image, channels, MAX_PIXELS, itself))  # type: ignore[arg-type]


def itself(height: int, width: int) -> tuple[int, int]:
    return height, width


def refusal(image: object, channels: int = 3) -> str:
    with pytest.raises(tv.ImageError) as caught:
        read(image, channels)
    return caught.value.summary


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV"]
)
def test_a_mode_is_read_as_colour_and_as_grey(mode: str) -> None:
    image = sample_image(40, 30).convert(mode)
    colour = image.convert("RGB")
    assert torch.equal(read(image), pixels(colour))
    assert torch.equal(read(image, 1), pixels(colour.convert("L")))


def test_grey_stays_what_it_is() -> None:
    grey = sample_image(40, 30).convert("L")
    assert torch.equal(read(grey, 1), pixels(grey))


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_what_is_transparent_shows_its_colour(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    palette = sample_image(40, 30).quantize(16)
    transparency = 3 if kind == "GIF" else bytes(range(16))
    path.write_bytes(encoded(palette, kind, transparency=transparency))
    assert torch.equal(read(path), pixels(palette.convert("RGB")))
    clear = sample_image(40, 30)
    clear.putalpha(0)
    assert torch.equal(read(clear), pixels(sample_image(40, 30)))


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_of_sixteen_bits_the_upper_eight_count(mode: str, tmp_path: Path) -> None:
    values = (0, 255, 256, 0x1234, 65_535)
    order = ">" if mode == "I;16B" else "<"
    image = Image.frombytes(mode, (5, 1), struct.pack(f"{order}5H", *values))
    wanted = [value >> 8 for value in values]
    assert read(image, 1).flatten().tolist() == wanted
    assert read(image).tolist() == [[wanted]] * 3
    path = tmp_path / "x.tif"
    image.save(path)
    assert read(path, 1).flatten().tolist() == wanted


@pytest.mark.parametrize("mode", ["I", "F"])
def test_a_range_is_not_guessed(mode: str) -> None:
    assert "scale them to 8 bits" in refusal(Image.new(mode, (4, 4)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_camera_may_be_rotated(orientation: int, tmp_path: Path) -> None:
    upright = sample_image(40, 30)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("PNG", "TIFF"):
        path = tmp_path / kind
        path.write_bytes(encoded(stored, kind, exif=exif))
        assert torch.equal(read(path), pixels(upright))
        with Image.open(path) as opened:
            assert torch.equal(read(opened), pixels(upright))


def test_broken_exif_is_as_none(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    for exif in (b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0nonsense", b"II*\0\xff\xff\xff\x7f"):
        path.write_bytes(encoded(sample_image(40, 30), "PNG", exif=exif))
        assert torch.equal(read(path), pixels(sample_image(40, 30)))


def test_the_first_image_of_several_counts(tmp_path: Path) -> None:
    path = tmp_path / "x.gif"
    first, second = Image.new("L", (4, 4), 0), Image.new("L", (4, 4), 255)
    path.write_bytes(encoded(first, "GIF", save_all=True, append_images=[second]))
    assert not read(path).any()


def png(width: int, height: int) -> bytes:
    """A file of no size that says it has one."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1_000)))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("size", [(10_000, 9_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_before_it_is_decoded(size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(*size))
    assert "pixels" in refusal(path)
    assert "bomb.png" in refusal(path)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("size", [(1, 80_000_000), (80_000_000, 1), (3, 29_000_000)])
def test_a_long_and_thin_one_is_refused_before_it_is_decoded(
    size: tuple[int, int], training: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows alone would take a GiB."""
    path = tmp_path / "thin.png"
    path.write_bytes(png(*size))
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("it was decoded"))
    transform = tv.make_transform("test_resnet", training=training)
    with pytest.raises(tv.ImageError, match=r"thin\.png' is too long and thin: .* would become"):
        transform(path)


def test_the_limit_is_the_callers(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(encoded(sample_image(40, 30), "PNG"))
    assert decode(path, 3, 1_200, itself)[0].size == (40, 30)
    for image in (path, sample_image(40, 30)):
        with pytest.raises(tv.ImageError, match="has 40 x 30 pixels, more than 1,199"):
            decode(image, 3, 1_199, itself)


def test_what_is_no_image_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    assert refusal(path) == f"'{path}' does not exist"
    assert refusal(tmp_path) == f"'{tmp_path}' is not a file"
    assert "too long" in refusal("x" * 300).lower()
    assert refusal("a\0b") == "'a\\x00b' does not exist"
    os.mkfifo(tmp_path / "pipe")
    assert "is not a file" in refusal(tmp_path / "pipe")
    for content in (b"", b"\0", b"<html>", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"):
        path.write_bytes(content)
        assert refusal(path) == f"'{path}' is of none of the formats {', '.join(FORMATS)}"


def test_an_error_has_the_whole_path(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 40) / "x\n.jpg"
    assert repr(str(path)) in refusal(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP", "PPM"])
@pytest.mark.filterwarnings("ignore")  # what Pillow has to say of such files
def test_a_damaged_file_is_read_or_refused(kind: str, tmp_path: Path) -> None:
    whole, path = encoded(sample_image(40, 30), kind), tmp_path / "x"
    random.seed(0)
    refused = 0
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(random.randint(0, 4)):
            data[random.randrange(len(data))] = random.randrange(256)
        path.write_bytes(data[: random.randrange(len(data) + 1)])
        try:
            read(path)
        except tv.ImageError:
            refused += 1
    assert refused > 50


def test_a_truncated_photograph_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(encoded(sample_image(), "JPEG")[:5_000])
    assert refusal(path).startswith(f"'{path}' cannot be read: image file is truncated")


def test_the_usual_names_are_known() -> None:
    assert {".jpg", ".jpeg", ".png", ".webp", ".tif", ".gif", ".bmp"} <= suffixes()
    assert not suffixes() & {".eps", ".pdf", ".txt", ".psd"}
