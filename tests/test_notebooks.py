"""The notebooks and the scripts that people start from run as they stand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib as mpl
import pytest

from argdask.store.work import read_attributes

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_cells_of_a_notebook_run_from_top_to_bottom(notebook: Path) -> None:
    mpl.use("agg")
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            code = compile("".join(cell["source"]), f"{notebook.name}", "exec")
            exec(code, names)
    mpl.pyplot.close("all")
    with warnings.catch_warnings():
        # The notebook leaves its folder to the end of the process.
        warnings.simplefilter("ignore", ResourceWarning)
        names.clear()


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


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
