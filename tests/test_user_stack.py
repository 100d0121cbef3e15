"""A stack of a user's images with a catalogue, from the shell, in flat memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from astropy.table import Table
from numpy.typing import NDArray

import argdask as ad

COMMAND = Path(sys.executable).with_name("argdask")
SIZE = 24
FILTERS = ["acs_wfc_f606w", "acs_wfc_f814w", "wfc3_ir_f125w", "wfc3_ir_f160w"]

# What the larger set may take beyond the smaller one [MB]. Images are looked at in
# blocks of two million pixels, which a thousand of them do not fill: 25 MB as they are
# mapped, as float32 and as float64. Then there are the columns, 200 bytes a galaxy. The
# images of the larger store are 184 MB; held in memory they would be seen.
MARGIN = 50


def bring(count: int) -> Path:
    """Write a stack, a table with gaps in its ids, and the recipe of both."""
    folder = Path(f"set-{count}")
    folder.mkdir()
    random = np.random.default_rng(count)
    stack = np.lib.format.open_memmap(
        folder / "images.npy", "w+", np.float32, (count, SIZE, SIZE)
    )
    for start in range(0, count, 1000):
        some = random.lognormal(0, 1, (min(1000, count - start), SIZE, SIZE))
        stack[start : start + 1000] = some
    stack[3, 5, 7] = stack[3, 0, 0] = np.nan
    stack.flush()
    ids = np.sort(random.choice(7 * count, count, replace=False))
    columns = {
        "galaxy_id": random.permutation(ids),
        "image": random.permutation(count),
        "z_in": random.uniform(0.1, 1.2, count),
        "image_redshift": random.uniform(0, 0.3, count),
    }
    Table(columns).write(folder / "galaxies.fits")
    recipe = folder / "set.yaml"
    recipe.write_text(
        f"profile: {{name: images, source: {folder}/images.npy}}\n"
        f"catalogue: {{path: {folder}/galaxies.fits}}\n"
        f"filters: [{', '.join(FILTERS)}]\n"
        "redshifts: {values: continuous}\n"
        # The same parts for both sizes, so that one is not held in larger pieces.
        "layout: {part: 128, chunk: 32}\n"
    )
    return recipe


def peak_of(*arguments: str) -> float:
    """Run a command in a process of its own and return its peak memory [MB]."""
    process = subprocess.Popen(
        [COMMAND, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # One thread: each of them keeps memory of its own.
        env={**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
    )
    assert process.stderr is not None
    told = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    assert process.returncode == 0, told
    return usage.ru_maxrss / 1024


def expected(
    folder: Path, pairs: xr.Dataset, row: int, flux: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return image times flux times scale, by numpy alone (y, x, filter)."""
    table = Table.read(folder / "galaxies.fits")
    image = np.load(folder / "images.npy", mmap_mode="r")[table["image"][row]]
    light = np.nan_to_num(image.astype(np.float64))
    whole = light / light.sum()
    return np.asarray(pairs.attrs["scale"] * whole[..., None] * flux)


@pytest.mark.slow
def test_ten_thousand_images_make_a_store_in_the_memory_of_a_thousand() -> None:
    peak_of("generate", "warm.zarr", "--recipe", str(bring(50)), "--jobs", "1")
    peaks = {}
    for count in (1000, 10_000):
        recipe = str(bring(count))
        store = f"{count}.zarr"
        peaks[count] = peak_of("generate", store, "--recipe", recipe, "--jobs", "1")
        assert peak_of("verify", store) > 0
    assert peaks[10_000] < peaks[1000] + MARGIN, peaks

    pairs = ad.open_pairs("10000.zarr")
    table = Table.read("set-10000/galaxies.fits")
    for name in table.colnames:
        np.testing.assert_array_equal(pairs[name].values, table[name])
    assert pairs["invalid_pixels"].values[table["image"] == 3].tolist() == [2]
    for row in (0, 127, 128, 4242, 9999, int(np.flatnonzero(table["image"] == 3)[0])):
        one = pairs.isel(galaxy=row).compute()
        for name, flux in (("input", one["flux_in"]), ("target", one["flux_out"])):
            found = expected(Path("set-10000"), pairs, row, flux.values)
            # The stamp, the flux and their product are each rounded to float32.
            np.testing.assert_allclose(one[name], found, rtol=3 * 2.0**-24)
