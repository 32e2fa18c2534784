"""`typedvision lock`: write the digest of its weights into a spec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from typedvision.cli.models import read_file
from typedvision.cli.output import (
    AsJson,
    Force,
    Output,
    errors_shown,
    print_json,
    print_text,
    write_file,
)
from typedvision.config.strict_json import parse_json

File = Annotated[str, typer.Argument(metavar="FILE", help="A spec file; - is stdin.")]
Offline = Annotated[
    bool, typer.Option("--offline", help="Open no socket: lock what is in the cache.")
]


def lock(
    file: File,
    output: Output = None,
    force: Force = False,
    offline: Offline = False,
    as_json: AsJson = False,
) -> None:
    """Write the revision, size and SHA-256 of a spec's weights into the spec.

    From then on, loading its weights gives that file or an error. A spec without a tag gets the
    default one. The file is changed in place, if there is no --output.

    \b
    Examples:
      typedvision lock model.json
      typedvision spec resnet50 | typedvision lock - -o model.json
    """
    if file == "-" and output is None:
        raise typer.BadParameter("stdin needs --output", param_hint="FILE")
    from typedvision.registry.spec import ModelSpec
    from typedvision.weights.lock import lock_weights

    text = read_file(file)
    with errors_shown(as_json):
        document = parse_json(text)
        locked = lock_weights(ModelSpec.from_dict(document), offline=offline)
    assert isinstance(document, dict)  # from_dict saw to it
    pin = locked.lock
    assert pin is not None
    # The rest of the document stays as the user wrote it: `$schema`, the order, omitted defaults.
    added = {"tag": locked.tag, "lock": pin.model_dump(mode="json")}
    target = Path(file) if output is None else output
    write_file(
        target, json.dumps({**document, **added}, indent=2) + "\n", force=force or output is None
    )
    if as_json:
        print_json({"file": str(target), "variant": locked.variant, **added})
    else:
        print_text(
            f"{target}: {locked.variant}.{locked.tag}, {pin.size:,} bytes at revision "
            f"{pin.revision}, sha256 {pin.sha256}"
        )
