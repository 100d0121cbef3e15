"""Run notebooks and keep what their cells show: ``python tests/refresh_notebooks.py``.

Each runs from its first cell to its last in a kernel of this Python, in an empty
folder, and is written back with its new outputs. Names as ``01`` choose some of them.
Needs the extra ``notebooks``.
"""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import os
import re
import socket
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image, ImageChops

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

# In the metadata of a notebook: a hash of the cells that its outputs are of.
OUTPUTS_OF = "outputs_of"

# Seconds that a cell may take.
_PATIENCE = 600

# What is seen: this change of a colour, of 255, in this fraction of the pixels.
_SEEN, _MOST = 5, 0.018

# Characters of a picture that is large.
_LARGE = 200_000


def hash_of(notebook: NotebookNode) -> str:
    """Return a hash of the code of all cells."""
    code = "\0".join(c.source for c in notebook.cells if c.cell_type == "code")
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def executed(path: Path, folder: Path) -> NotebookNode:
    """Run a notebook in a folder; a cell that raises an exception raises one here."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=_PATIENCE,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
    )
    with tempfile.TemporaryDirectory() as settings:
        # The command line of this package, and nobody's own settings.
        commands = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        # Modules beside a notebook, as where it is opened in its folder.
        modules = [str(path.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        own = {
            "PATH": commands,
            "IPYTHONDIR": settings,
            "PYTHONPATH": os.pathsep.join(modules),
        }
        client.execute(env={**os.environ, **own})
    return notebook


def tidied(notebook: NotebookNode) -> NotebookNode:
    """Leave in a notebook what is the same on every machine."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = NotebookNode(
        kernelspec=kernel,
        language_info={"name": "python"},
        **{OUTPUTS_OF: hash_of(notebook)},
    )
    for number, cell in enumerate(notebook.cells):
        cell.metadata = NotebookNode()
        cell.id = f"cell-{number:02}"
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "image/png" in data:
                data["image/png"] = _smaller(data["image/png"])
    return notebook


def _smaller(picture: str) -> str:
    """Return a PNG with 256 colours, if that is not seen or the picture is large."""
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    few = image.quantize(256, dither=Image.Dither.NONE)
    difference = ImageChops.difference(image, few.convert("RGB")).convert("L")
    changed = sum(difference.histogram()[_SEEN:]) / (image.width * image.height)
    small = changed <= _MOST or len(picture) > _LARGE
    kept = io.BytesIO()
    (few if small else image).save(kept, "png", optimize=True)
    return base64.b64encode(kept.getvalue()).decode()


def texts_of(cell: NotebookNode) -> list[str]:
    """Return all that a cell shows but its pictures."""
    texts = []
    for output in cell.get("outputs", ()):
        texts.append(output.get("text", ""))
        data = output.get("data", {})
        texts += [value for kind, value in data.items() if kind.startswith("text/")]
    return texts


def _refuse_names_of_this_machine(notebook: NotebookNode, folder: str) -> None:
    names = (folder, str(ROOT), sys.prefix, str(Path.home()), socket.gethostname())
    for cell in notebook.cells:
        for text, name in itertools.product(texts_of(cell), names):
            if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text):
                raise ValueError(f"a cell shows {name}: {cell.source}")


def refresh(path: Path) -> float:
    """Write a notebook with new outputs in its place; return the seconds it took."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        notebook = tidied(executed(path, Path(folder)))
        _refuse_names_of_this_machine(notebook, folder)
    part = path.with_name(f".{path.name}.part")
    nbformat.write(notebook, part)
    part.replace(path)
    return time.monotonic() - began


def main(names: list[str]) -> None:
    chosen = [p for p in NOTEBOOKS if not names or p.name.startswith(tuple(names))]
    for path in chosen:
        seconds = refresh(path)
        print(f"{path.name}: {seconds:.0f} s, {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
