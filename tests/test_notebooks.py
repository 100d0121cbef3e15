"""The notebooks and the scripts that people start from run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from refresh_notebooks import (
    NOTEBOOKS,
    OUTPUTS_OF,
    ROOT,
    executed,
    hash_of,
    texts_of,
)

from argdask.store.work import read_attributes

# What no output may tell: where on a machine it was made, and whose machine it is.
_PLACES = re.compile(r"(?<![-\w.:/])/(?:tmp|home|root|work|Users|var|opt)\b|\bfile://")
_LARGEST = 500_000  # bytes

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_of(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.slow
@each_notebook
def test_a_notebook_runs_in_an_empty_folder_without_a_warning(
    path: Path, tmp_path: Path
) -> None:
    kept = nbformat.read(path, as_version=4)
    if any("import torch" in cell.source for cell in code_of(kept)):
        pytest.importorskip("torch", reason="PyTorch, the extra torch, is not here")
    shown = executed(path, tmp_path)
    for cell, before in zip(code_of(shown), code_of(kept), strict=True):
        complaints = [o.text for o in cell.outputs if o.get("name") == "stderr"]
        assert not complaints, cell.source
        # Times and memory differ, what kind of thing is shown does not.
        assert kinds_of(cell) == kinds_of(before), cell.source


def kinds_of(cell: NotebookNode) -> set[str]:
    return {kind for o in cell.outputs for kind in o.get("data", {"stream": ""})}


@each_notebook
def test_the_outputs_of_a_notebook_are_those_of_its_cells(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = code_of(notebook)
    cure = f"python tests/refresh_notebooks.py {path.stem}"
    assert notebook.metadata.get(OUTPUTS_OF) == hash_of(notebook), cure
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1)), cure
    assert sum(bool(cell.outputs) for cell in cells) > len(cells) / 2, cure


@each_notebook
def test_the_outputs_of_a_notebook_are_small_and_of_no_machine(path: Path) -> None:
    assert path.stat().st_size < _LARGEST
    for cell in code_of(nbformat.read(path, as_version=4)):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", cell.source
        for text in texts_of(cell):
            assert not _PLACES.search(text), cell.source


def test_a_job_script_makes_a_store_with_the_cpus_of_the_job(tmp_path: Path) -> None:
    bin_folder = Path(sys.executable).parent
    environment = {
        **os.environ,
        "SLURM_CPUS_PER_TASK": "1",
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
    }
    script = ROOT / "deploy" / "one-node.sbatch"
    command = ["bash", str(script), "out.zarr", "--galaxies", "20"]
    subprocess.run(
        command, cwd=tmp_path, env=environment, check=True, capture_output=True
    )
    assert read_attributes(tmp_path / "out.zarr")["state"] == "complete"
