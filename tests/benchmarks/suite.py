"""Everything that is measured, by one command: tables, JSON, a page and plots.

Run it with ``python tests/benchmarks/suite.py``; it takes less than ten minutes on two
cores and needs the extra ``bench``, and for a training loop ``torch``. ``--quick`` runs
every row in small, in a minute or so. Each group of rows runs in a process of its own,
and alone by ``--only`` or as ``python tests/benchmarks/GROUP.py``.

A run of everything writes RESULTS.md, results.json and the plots beside this file, or
to the folder that ``--results`` names; other runs only to such a folder. ``--from``
makes the page and the plots of a file that ``--json`` wrote.

The exit code is 1 where a number is wrong or a group failed. Bars are told and change
nothing: machines are noisy.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import described
from measuring import peer
from results import draw, page

HERE = Path(__file__).parent

GROUPS = (
    *("rendering", "pairs", "disk", "observed", "sed_grid", "streaming", "training"),
    *("open_and_select", "driver", "floors", "scaling"),
)
"""Modules beside this one, in the order of the page."""


def run(groups: tuple[str, ...], quick: bool) -> tuple[dict[str, Any], list[str]]:
    """Run groups one after the other; return what they found, and who failed."""
    began = time.perf_counter()
    found, failed = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name in groups:
            file = Path(folder) / f"{name}.json"
            command = [sys.executable, str(HERE / f"{name}.py"), "--json", str(file)]
            done = subprocess.run(command + ["--quick"] * quick, check=False)
            if done.returncode:
                failed.append(name)
            if file.exists():
                found.append(json.loads(file.read_text()) | {"group": name})
    seconds = round(time.perf_counter() - began, 1)
    machine = described(Path.cwd())
    whole = {"machine": machine, "quick": quick, "seconds": seconds, "groups": found}
    return whole, failed


def write(found: dict[str, Any], folder: Path) -> None:
    """Write the page, the figures and the plots."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "RESULTS.md").write_text(page(found))
    (folder / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    curves = [curve for group in found["groups"] for curve in group["curves"]]
    if peer("matplotlib") is None:
        print("no plots: matplotlib comes with the extra bench")
    else:
        draw(curves, folder / "plots")


def groups_of(text: str) -> tuple[str, ...]:
    """Return the groups that a list names, in their own order."""
    asked = set(text.split(","))
    if not asked <= set(GROUPS):
        raise argparse.ArgumentTypeError(f"among {', '.join(GROUPS)}, got {text}")
    return tuple(name for name in GROUPS if name in asked)


def main() -> None:
    """Measure, tell, and write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sets only")
    parser.add_argument("--only", type=groups_of, help="groups, joined by commas")
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--results", type=Path, help="folder for page and plots")
    parser.add_argument("--from", type=Path, dest="source", help="file of an older run")
    options = parser.parse_args()
    failed: list[str] = []
    if options.source:
        found = json.loads(options.source.read_text())
    else:
        found, failed = run(options.only or GROUPS, options.quick)
        print(f"\n{found['seconds']:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    everything = not options.quick and options.only is None
    folder = options.results or (HERE if everything else None)
    if folder:
        write(found, folder)
    if failed:
        print(f"not right: {', '.join(failed)}")
        sys.exit(1)


if __name__ == "__main__":
    main()
