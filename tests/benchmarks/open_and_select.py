"""What opening a large store costs, and what is read of it to select galaxies.

Each figure is of a process of its own that has imported all it needs. Images of the
large store are small, for opening reads none; those of the other are of full size.
Bytes are those that the process asks the system for.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from measuring import Measured, main

import argdask as ad
from argdask.simulation import Simulation
from argdask.store.work import read_plan

__all__ = ["measure"]

TITLE = "Opening and selecting"

# What a process does first, and tells afterwards.
_BEGIN = """
import json, re, sys, time
from pathlib import Path
import numpy as np, xarray as xr, zarr, dask.array
import argdask as ad
ad.open_pairs
def told_by_system(file, name):
    text = Path("/proc/self", file).read_text()
    return int(re.search(name + r":\\s*(\\d+)", text)[1])
def status(name):
    return 1024 * told_by_system("status", name)
def asked():
    return told_by_system("io", "rchar")
store = sys.argv[1]
def measured(work):
    before, memory, began = asked(), status("VmRSS"), time.perf_counter()
    found = work()
    seconds = time.perf_counter() - began
    return found, {"seconds": seconds, "bytes": asked() - before,
                   "memory": status("VmHWM") - memory}
"""

_OPEN = "_, told = measured(lambda: ad.open_pairs(store))"
_PLAIN = "_, told = measured(lambda: xr.open_zarr(store))"
_SELECT = """
pairs = ad.open_pairs(store)
def select():
    z, size = pairs["z_in"].values, pairs["half_light_radius"].values
    return pairs.isel(galaxy=(z < 0.5) & (size > 0.4))
some, told = measured(select)
told["found"] = some.sizes["galaxy"]
told["columns"] = pairs["z_in"].nbytes + pairs["half_light_radius"].nbytes
"""
_ONE = """
pairs = ad.open_pairs(store, chunks=None)
number = pairs.sizes["galaxy"] * 2 // 3 + 1
# The first read of a process also begins threads and imports codecs.
pairs["target"][0].values
image, told = measured(lambda: pairs["input"][number].values)
expected = ad.simulate(ad.Recipe(galaxies=pairs.sizes["galaxy"]), galaxies=[number])
told["wrong"] = int(np.count_nonzero(expected["input"].values[0] != image))
"""


def told_by(code: str, store: Path) -> dict[str, Any]:
    """Return what a process tells that runs this code."""
    program = f"{_BEGIN}\n{code}\nprint(json.dumps(told))"
    command = [sys.executable, "-c", program, str(store)]
    output = subprocess.run(command, check=True, capture_output=True, text=True)
    told: dict[str, Any] = json.loads(output.stdout)
    return told


def in_turn(codes: dict[str, str], store: Path, repeats: int) -> dict[str, list[Any]]:
    """Run each code in a process of its own, several times, in turn."""
    found: dict[str, list[Any]] = {name: [] for name in codes}
    for _ in range(repeats):
        for name, code in codes.items():
            found[name].append(told_by(code, store))
    return found


def measure(measured: Measured, quick: bool, folder: Path) -> None:
    """Measure all rows."""
    galaxies, repeats = (5000, 1) if quick else (1_000_000, 5)
    large = folder / "large.zarr"
    recipe = ad.Recipe(galaxies=galaxies, image_shape=(2, 2))
    ad.write(recipe, large)
    codes = {"open": _OPEN, "plain": _PLAIN, "select": _SELECT}
    found = in_turn(codes, large, repeats)
    size = f"{galaxies:,} galaxies"

    def best(way: str, what: str) -> float:
        return float(min(one[what] for one in found[way]))

    seconds = {way: [one["seconds"] for one in each] for way, each in found.items()}
    measured.value(f"open {size}", best("open", "seconds"), "s", "< 1")
    memory = best("open", "memory") / 1e6
    measured.value(f"open {size}, memory above imports", memory, "MB", "< 100")
    name = f"open {size}, over xr.open_zarr"
    measured.cost(name, seconds, ("plain", "open"), unit="ms")
    name = f"select by two coordinates of {size}"
    measured.value(name, best("select", "seconds"), "s")
    columns = found["select"][0]["columns"]
    name = "bytes read for it, over those of the two columns"
    measured.value(name, best("select", "bytes") / columns, "", "<= 1")
    drawn = Simulation(recipe, ad.default_seds()).catalogue.columns(range(galaxies))
    wanted = (drawn["z_in"] < 0.5) & (drawn["half_light_radius"] > 0.4)
    off = abs(found["select"][0]["found"] - int(np.count_nonzero(wanted)))
    measured.check("galaxies selected, off those that were drawn", off, 0)
    full = folder / "full.zarr"
    ad.write(ad.Recipe(galaxies=128 if quick else 1024), full)
    one = told_by(_ONE, full)
    plan = read_plan(full)
    chunk = plan.chunk * 60 * 60 * 9 * 4
    name = f"bytes read for one image, over an inner chunk of {chunk / 1e6:.1f} MB"
    measured.value(name, one["bytes"] / chunk, "", "<= 1.05")
    measured.value("a random image", 1e3 * one["seconds"], "ms")
    measured.check("pixels of it that differ from those in memory", one["wrong"], 0)


if __name__ == "__main__":
    main(TITLE, __doc__, measure)
