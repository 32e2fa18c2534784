"""Writes the names of well-known sets of classes from a folder of facts of WordNet.

    python -m tools.class_names FOLDER

`FOLDER/synset_names.tsv` holds a synset and its names, separated by a tab, on each line;
`FOLDER/SET.txt` the synset of each class of a set, in the classifier's order. The file that is
written holds the names of every synset once, and of each set the steps from one class to the next,
which compress well.
"""

from __future__ import annotations

import argparse
import json
import lzma
from itertools import pairwise
from pathlib import Path

from typedvision.config.class_names import CLASS_SETS

TARGET = Path(__file__).parents[1] / "src/typedvision/config/class_names.json.xz"


def packed(folder: Path) -> bytes:
    """The compressed file of all sets.

    Args:
        folder: where the facts are.
    """
    lines = (folder / "synset_names.tsv").read_text().splitlines()
    names = dict(line.split("\t") for line in sorted(lines))
    places = {synset: place for place, synset in enumerate(names)}
    sets = {}
    for key in CLASS_SETS:
        classes = [places[synset] for synset in (folder / f"{key}.txt").read_text().split()]
        sets[key] = [after - before for before, after in pairwise([0, *classes])]
    document = json.dumps({"names": list(names.values()), "sets": sets}, separators=(",", ":"))
    return lzma.compress(document.encode(), preset=9 | lzma.PRESET_EXTREME)


def main() -> None:
    """Write the file into the package."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    TARGET.write_bytes(packed(parser.parse_args().folder))


if __name__ == "__main__":
    main()
