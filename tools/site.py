"""A hook of mkdocs: the pages of the site that are made of something else than a file of `docs`.

Home, contributing, security and changelog are the files of the repository; the table of the models
is the index of the names; the reference lists what `typedvision` exports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typedvision
from typedvision.registry import index

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
COPIES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
WIDE = ("families/README.md", "models.md")
FILTER = """<input id="filter" type="search" placeholder="resnet*" aria-label="Filter the models"
 style="border: 1px solid; padding: .3em; width: 20em">
<script>
document.getElementById("filter").addEventListener("input", event => {
  const parts = event.target.value.toLowerCase().split("*")
  for (const row of document.querySelectorAll("table tbody tr")) {
    let from = 0
    row.hidden = !parts.every(part => {
      const at = row.textContent.toLowerCase().indexOf(part, from)
      from = at + part.length
      return at >= 0
    })
  }
})
</script>"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to those of the folder."""
    from mkdocs.structure.files import File

    pages = {target: copied(source) for source, target in COPIES.items()}
    pages |= {"models.md": "\n".join(models()), "reference.md": "\n".join(reference())}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Mark code as the site's Markdown does, and give wide tables the room of the contents."""
    if page.file.src_uri in WIDE:
        page.meta["hide"] = ["toc"]
    return re.sub(r"^```python static$", "```python", markdown, flags=re.MULTILINE)


def copied(source: str) -> str:
    """A page of the repository's root, with its links as they are on the site."""
    text = (ROOT / source).read_text("utf-8")
    text = text.replace("](docs/families)", "](families/README.md)").replace("](docs/", "](")
    for name, target in COPIES.items():
        text = text.replace(f"]({name})", f"]({target})")
    return text


def models() -> Iterator[str]:
    """The table of all models, a line each, with a field that filters it."""
    yield f"# Models\n\n{FILTER}\n\n| model | family | parameters | weights |\n|---|---|--:|---|"
    for key, family in sorted(index.rows().items()):
        for name, row in family["variants"].items():
            tags = " ".join(f"`{tag}`" for tag in row["tags"])
            yield f"| `{name}` | [{key}](families/{key}.md) | {row['params']:,} | {tags} |"


def reference() -> Iterator[str]:
    """What the package exports, as mkdocstrings reads it."""
    yield "# Reference\n"
    for name in typedvision.__all__:
        home = typedvision._HOME.get(name)
        if home is not None and re.fullmatch(r"[\w.]+", home):
            yield f"::: typedvision.{home}.{name}\n"
