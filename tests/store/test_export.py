"""An export holds what the store holds, and is whole or says that it is not."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import google_crc32c
import numpy as np
import pandas as pd
import pytest
from astropy import units
from astropy.table import Table

import argdask as ad
from argdask.cli import main
from argdask.errors import IncompleteError, InputError
from argdask.store.files import WholeFile
from argdask.store.work import read_plan

ARRAYS = {
    "inputgalaxies.npy": "input",
    "targetgalaxies.npy": "target",
    "inputredshifts.npy": "z_in",
    "targetredshifts.npy": "z_out",
    "sedindex.npy": "sed_index",
}
FILES = {*ARRAYS, "truth.ecsv", "metadata.json"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of three parts, the last of which is not full."""
    path = tmp_path_factory.mktemp("export") / "pairs.zarr"
    layout = {"part": 48, "chunk": 8, "compression": "lz4"}
    ad.write(ad.Recipe(galaxies=101, image_shape=(10, 12), layout=layout), path)
    return path


def _bytes(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def _names(folder: str) -> set[str]:
    return {file.name for file in Path(folder).iterdir()}


def test_arrays_equal_the_store_bit_for_bit(store: Path) -> None:
    made = ad.export(store, "arrays")
    pairs = ad.open_pairs(store, chunks=None)
    assert made.galaxies == 101
    assert _names("arrays") == FILES
    assert set(made.made) == FILES - {"metadata.json"}
    assert made.size == sum(map(len, _bytes(Path("arrays")).values()))
    for file, name in ARRAYS.items():
        array = np.load(f"arrays/{file}", mmap_mode="r")
        stored = pairs[name].values
        assert array.dtype == stored.dtype
        assert array.shape == stored.shape
        assert array.tobytes() == stored.tobytes()
    assert np.load("arrays/inputgalaxies.npy").shape == (101, 10, 12, 9)


def test_chunks_smaller_than_a_read_and_larger(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ad.export(store, "whole")
    # Two chunks at once, then less than one.
    for number, size in enumerate((2 * 8 * 10 * 12 * 9 * 4, 1)):
        monkeypatch.setattr("argdask.store.export._READ_BYTES", size)
        ad.export(store, f"parts{number}")
        assert _bytes(Path(f"parts{number}")) == _bytes(Path("whole"))


def test_table_has_all_truth_with_units(store: Path) -> None:
    ad.export(store, "arrays")
    pairs = ad.open_pairs(store, chunks=None)
    table = Table.read("arrays/truth.ecsv")
    plain = pd.read_csv("arrays/truth.ecsv", comment="#")
    assert list(plain.columns) == table.colnames
    assert len(table) == len(plain) == 101
    wanted = 0
    for name, truth in pairs.coords.items():
        if truth.dims == ("galaxy", "filter"):
            for index, filter_name in enumerate(pairs["filter"].values):
                column = table[f"{name}_{filter_name}"]
                np.testing.assert_array_equal(column, truth.values[:, index])
                assert column.unit == units.Unit(truth.attrs["units"])
                wanted += 1
        elif truth.dims == ("galaxy",):
            column, values = table[str(name)], truth.values
            np.testing.assert_array_equal(column, np.array(values.tolist()))
            if values.dtype.kind == "f":
                np.testing.assert_allclose(plain[name], values, rtol=1e-14)
            else:
                assert plain[name].tolist() == values.tolist()
            assert column.description == truth.attrs.get("long_name")
            wanted += 1
    assert wanted == len(table.colnames) > 30
    assert table["half_light_radius"].unit == units.arcsec
    assert table["galaxy_id"].dtype == np.int64
    assert table["sed_index"].dtype == np.int32
    assert table["z_in"].unit is None


def test_table_is_the_same_read_in_several_blocks(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ad.export(store, "whole")
    monkeypatch.setattr("argdask.store.truth_table._ROWS_READ", 30)
    monkeypatch.setattr("argdask.store.truth_table._ROWS", 7)
    ad.export(store, "rows")
    assert _bytes(Path("rows")) == _bytes(Path("whole"))


def test_metadata_says_what_the_arrays_are(store: Path) -> None:
    ad.export(store, "arrays")
    pairs = ad.open_pairs(store, chunks=None)
    told = json.loads(Path("arrays/metadata.json").read_text("utf-8"))
    assert told["state"] == "complete"
    assert told["scale"] == pairs.attrs["scale"]
    assert told["fingerprint"] == read_plan(store).fingerprint
    assert told["filters"] == pairs["filter"].values.tolist()
    assert told["wavelengths"] == pairs["wavelength"].values.tolist()
    assert told["galaxies"] == 101
    assert ad.Recipe(**told["recipe"]).galaxies == 101
    described = told["arrays"]["inputgalaxies.npy"]
    assert described["dims"] == ["galaxy", "y", "x", "filter"]
    assert described["units"] == "scale uJy / pixel"
    contents = _bytes(Path("arrays"))
    for name, record in told["files"].items():
        assert record["size"] == len(contents[name])
        assert record["crc32c"] == google_crc32c.value(contents[name])
    assert set(told["files"]) == FILES - {"metadata.json"}


def test_again_changes_nothing(store: Path) -> None:
    ad.export(store, "arrays")
    before = {f.name: f.stat().st_mtime_ns for f in Path("arrays").iterdir()}
    again = ad.export(store, "arrays")
    assert again.made == ()
    assert {f.name: f.stat().st_mtime_ns for f in Path("arrays").iterdir()} == before


def test_makes_a_damaged_or_deleted_file_again(store: Path) -> None:
    ad.export(store, "arrays")
    whole = _bytes(Path("arrays"))
    Path("arrays/sedindex.npy").unlink()
    os.truncate("arrays/truth.ecsv", 100)
    assert ad.export(store, "arrays").made == ("sedindex.npy", "truth.ecsv")
    assert _bytes(Path("arrays")) == whole


def test_clears_what_another_left_and_stays_complete(store: Path) -> None:
    ad.export(store, "arrays")
    whole = _bytes(Path("arrays"))
    Path("arrays/targetgalaxies.npy.0123.partial").write_bytes(b"torn")
    assert ad.export(store, "arrays").made == ()
    assert _bytes(Path("arrays")) == whole


KILLED = """
import os, signal, sys
import argdask as ad

def kill(made, galaxies):
    if made > 0.7 * galaxies:
        os.kill(os.getpid(), signal.SIGKILL)

ad.export(sys.argv[1], "arrays", progress=kill)
"""


def test_killed_leaves_nothing_that_looks_whole_and_goes_on(store: Path) -> None:
    ad.export(store, "whole")
    # Small reads, so that it dies in the middle of the second file.
    patched = f"import argdask.store.export as e\ne._READ_BYTES = 1\n{KILLED}"
    stopped = subprocess.run([sys.executable, "-c", patched, str(store)], check=False)
    assert stopped.returncode == -signal.SIGKILL
    left = _names("arrays")
    torn = {name for name in left if name.endswith(".partial")}
    assert left - torn == {"metadata.json", "inputgalaxies.npy"}
    assert len(torn) == 1
    told = json.loads(Path("arrays/metadata.json").read_text("utf-8"))
    assert told["state"] == "incomplete"
    counts: list[int] = []
    again = ad.export(store, "arrays", progress=lambda made, _: counts.append(made))
    assert "inputgalaxies.npy" not in again.made
    assert counts[0] == 101 // 2
    assert counts[-1] == 101
    assert _bytes(Path("arrays")) == _bytes(Path("whole"))


def test_killed_before_its_first_word_goes_on(store: Path) -> None:
    Path("arrays").mkdir()
    Path("arrays/metadata.json.0123.partial").write_bytes(b"{")
    ad.export(store, "arrays")
    assert _names("arrays") == FILES


def test_full_disk_is_told_and_leaves_no_torn_file(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = WholeFile.write

    def fail(file: WholeFile, data: bytes) -> None:
        if file.size > 100_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(file, data)

    with monkeypatch.context() as patched:
        patched.setattr("argdask.store.export._READ_BYTES", 1)
        patched.setattr(WholeFile, "write", fail)
        with pytest.raises(IncompleteError, match=r"No space left.*resume"):
            ad.export(store, "arrays")
        assert _names("arrays") == {"metadata.json"}
    ad.export(store, "arrays")
    assert _names("arrays") == FILES


def test_too_little_space_is_refused_before_anything_is_made(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs(".")
    few = os.statvfs_result((real.f_bsize, 512, *tuple(real)[2:4], 100, *real[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: few)
    with pytest.raises(InputError, match="GB of space"):
        ad.export(store, "arrays")
    assert not Path("arrays").exists()


def test_incomplete_store_is_refused(store: Path) -> None:
    shutil.copytree(store, "part.zarr")
    root = json.loads(Path("part.zarr/zarr.json").read_text("utf-8"))
    root["attributes"]["state"] = "incomplete"
    Path("part.zarr/zarr.json").write_text(json.dumps(root), "utf-8")
    with pytest.raises(IncompleteError, match="argdask generate"):
        ad.export("part.zarr", "arrays")
    assert not Path("arrays").exists()


def test_store_that_lost_a_file_is_refused(store: Path) -> None:
    shutil.copytree(store, "torn.zarr")
    Path("torn.zarr/target/c.1.0.0.0").unlink()
    with pytest.raises(InputError, match=r"target/c\.1\.0\.0\.0.*argdask repair"):
        ad.export("torn.zarr", "arrays")
    assert not Path("arrays").exists()


@pytest.mark.parametrize("file", ["notes.txt", "inputgalaxies.npy", "x.0123.partial"])
def test_folder_with_other_files_is_refused(store: Path, file: str) -> None:
    Path("arrays").mkdir()
    Path("arrays", file).write_text("mine", "utf-8")
    with pytest.raises(InputError, match=f"not one that holds {file}"):
        ad.export(store, "arrays")
    assert _names("arrays") == {file}


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON", '{"files": {"a": {}}}'])
def test_folder_with_other_metadata_is_refused(store: Path, text: str) -> None:
    Path("arrays").mkdir()
    Path("arrays/metadata.json").write_text(text, "utf-8")
    with pytest.raises(InputError, match="another store"):
        ad.export(store, "arrays")


def test_folder_of_another_store_is_refused(store: Path) -> None:
    ad.write(ad.Recipe(galaxies=3, image_shape=8, seed=1), "other.zarr")
    ad.export("other.zarr", "arrays")
    with pytest.raises(InputError, match="another store"):
        ad.export(store, "arrays")


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("nowhere/arrays", "a folder that can be written"),
        ("file", "expected a folder"),
    ],
)
def test_place_that_cannot_be_is_refused(
    store: Path, folder: str, message: str
) -> None:
    Path("file").touch()
    with pytest.raises(InputError, match=message):
        ad.export(store, folder)


def test_a_folder_of_arrays_is_not_called_as_a_netcdf_file(store: Path) -> None:
    with pytest.raises(InputError, match=r"all\.nc.*one netCDF file add --single"):
        ad.export(store, "all.nc")
    assert not Path("all.nc").exists()


def test_folder_in_the_store_is_refused(store: Path) -> None:
    for folder in (store, store / "arrays"):
        with pytest.raises(InputError, match="outside the store"):
            ad.export(store, folder)


def test_unknown_format_and_no_store_are_refused(store: Path) -> None:
    with pytest.raises(InputError, match=r"format: got csv, expected npy, netcdf"):
        ad.export(store, "arrays", layout="csv")
    with pytest.raises(InputError, match="a store that argdask made"):
        ad.export("nothing.zarr", "arrays")
    assert not Path("arrays").exists()


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def test_command_exports_and_says_so(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("export", str(store), "arrays") == 0
    out = capsys.readouterr()
    assert "101 pairs in" in out.out
    assert "inputgalaxies.npy" in out.out
    assert "101 of 101 galaxies" in out.err
    assert _run("export", str(store), "arrays", "--format", "npy") == 0
    assert "it was complete" in capsys.readouterr().out


def test_command_tells_bad_input_in_one_line(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("export", str(store), "arrays", "--format", "csv") == 2
    assert _run("export", "nothing.zarr", "arrays") == 2
    shutil.copytree(store, "part.zarr")
    text = Path("part.zarr/zarr.json").read_text("utf-8")
    Path("part.zarr/zarr.json").write_text(
        text.replace('"state": "complete"', '"state": "incomplete"'), "utf-8"
    )
    assert _run("export", "part.zarr", "arrays") == 3
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 3
    assert all(line.startswith("argdask: ") for line in told)


MEASURED = """
import re, sys
from pathlib import Path
import argdask as ad

ad.export(sys.argv[1], sys.argv[2])
status = Path("/proc/self/status").read_text()
print(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells")
def test_memory_does_not_grow_with_galaxies() -> None:
    peaks = []
    for galaxies in (500, 4000):
        recipe = ad.Recipe(
            galaxies=galaxies, image_shape=32, layout={"part": 256, "chunk": 16}
        )
        name = f"{galaxies}.zarr"
        ad.write(recipe, name)
        needed = []
        # More is held while the disk is slow for others' sake: the least of some runs.
        for number in range(3):
            command = [sys.executable, "-c", MEASURED, name, f"{galaxies}-{number}"]
            run = subprocess.run(command, check=True, capture_output=True, text=True)
            needed.append(int(run.stdout) / 1024)
        peaks.append(min(needed))
    # The larger export writes 258 MB more than the smaller one.
    print(f"highest memory: {peaks[0]:.0f} and {peaks[1]:.0f} MiB")
    assert peaks[1] - peaks[0] < 24, peaks
