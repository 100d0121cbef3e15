"""Verification: a good store passes wherever it lies, and any damage is named."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import argdask as ad
from argdask import cli
from argdask.comparison import equal_rows
from argdask.errors import IncompleteError, InputError
from argdask.simulation import PIXELS_VERSION
from argdask.store import closing
from argdask.store.attributes import (
    CHECKSUMS_CHECKSUM,
    read_root,
    sealed_bytes,
    unsealed,
)
from argdask.store.files import record_of
from argdask.store.listing import read_list
from argdask.store.provenance import environment
from argdask.store.work import make_piece, read_plan
from argdask.verification import Report, verify

FILES, STRUCTURE, GALAXIES = (
    "files and checksums",
    "structure and attributes",
    "galaxies made again",
)
EVERY = [FILES, STRUCTURE, GALAXIES, "statistics of pixels"]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, seds: xr.DataArray) -> Path:
    """A complete store of forty small galaxies in five parts."""
    path = tmp_path_factory.mktemp("good") / "pairs.zarr"
    layout = {"part": 8, "chunk": 4}
    ad.write(ad.Recipe(galaxies=40, image_shape=(8, 8), layout=layout), path, seds=seds)
    return path


@pytest.fixture
def copy(good: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(good, tmp_path / "copy.zarr"))


def failed(report: Report) -> dict[str, str]:
    """Return what is wrong, by the name of the check."""
    return {c.name: "; ".join(c.details) for c in report.checks if not c.passed}


def flip(path: Path, position: int = -50) -> None:
    """Change one bit of one byte."""
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= 1
    path.write_bytes(data)


def test_a_good_store_and_its_copy_pass(good: Path, copy: Path) -> None:
    for path in (good, copy):
        report = verify(path)
        assert report.passed, report.to_json()
        assert [c.name for c in report.checks] == EVERY
        assert report.checks[2].details == ("16 galaxies, bit for bit",)


def test_a_store_of_other_pixels_is_not_mixed_with_new_ones(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an update of argdask in which the value of some pixel changed."""
    plan = read_plan(copy)
    told = rf"pixels of version {PIXELS_VERSION}, expected version {PIXELS_VERSION + 1}"
    monkeypatch.setattr("argdask.store.plan.PIXELS_VERSION", PIXELS_VERSION + 1)
    report = verify(copy)
    assert report.passed
    assert re.search(told, " ".join(report.unchecked))
    # There is nothing to be made in a complete store.
    ad.write(None, copy)
    flip(copy / "input/c.0.0.0.0")
    assert failed(verify(copy)).keys() == {FILES}
    assert re.search(told, " ".join(ad.repair(copy).lost))
    with pytest.raises(InputError, match=told):
        make_piece(copy, plan.fingerprint, "part", 0)


def test_verifying_changes_nothing(copy: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in copy.rglob("*")}
    verify(copy)
    assert {p: p.stat().st_mtime_ns for p in copy.rglob("*")} == before


@pytest.mark.parametrize(("sample", "looked_at"), [(1, 1), (7, 7), (1000, 40)])
def test_as_many_galaxies_are_made_again_as_asked(
    good: Path, sample: int, looked_at: int
) -> None:
    report = verify(good, sample=sample)
    assert report.checks[2].details == (f"{looked_at} galaxies, bit for bit",)


@pytest.mark.parametrize(
    "file",
    [
        "input/c.0.0.0.0",
        "target/c.4.0.0.0",
        "z_in/c.0",
        "flux_out/c.0.0",
        "seds/flux/c/0/0/0",
        "seds/redshift/c/0",
        "filter/c/0",
        "input/zarr.json",
        "sed_index/zarr.json",
        "seds/zarr.json",
        "seds/flux/zarr.json",
    ],
)
def test_a_flipped_bit_is_found_in(copy: Path, file: str) -> None:
    flip(copy / file)
    found = failed(verify(copy))
    assert f"{file} has checksum" in found[FILES]


def test_a_flipped_bit_in_the_checksums_is_found(copy: Path) -> None:
    flip(copy / "checksums.txt")
    assert "checksums.txt: the list itself is damaged" in failed(verify(copy))[FILES]


@pytest.mark.parametrize(
    "key",
    [
        "title",
        "scale",
        "recipe",
        "seds_source",
        "environments",
        "source",
        "coordinates",
        "metadata_crc32c",
        "checksums_crc32c",
        "pixels_version",
        "plan",
        "fingerprint",
    ],
)
def test_a_changed_attribute_of_the_root_is_found(copy: Path, key: str) -> None:
    root = json.loads((copy / "zarr.json").read_text())
    value = root["attributes"][key]
    changed = value + " " if isinstance(value, str) else value * 2
    root["attributes"][key] = changed
    (copy / "zarr.json").write_text(json.dumps(root))
    assert not verify(copy).passed


SIZE_OF_METADATA = 30_000


@settings(max_examples=25)
@given(position=st.integers(0, SIZE_OF_METADATA), bit=st.integers(0, 7))
def test_any_flipped_bit_of_the_roots_metadata_is_found(
    good: Path, tmp_path_factory: pytest.TempPathFactory, position: int, bit: int
) -> None:
    copy = tmp_path_factory.getbasetemp() / "flipped.zarr"
    if not copy.exists():
        shutil.copytree(good, copy)
    whole = (good / "zarr.json").read_bytes()
    spoilt = bytearray(whole)
    spoilt[position % len(whole)] ^= 1 << bit
    (copy / "zarr.json").write_bytes(spoilt)
    assert not verify(copy, sample=1).passed


@pytest.mark.parametrize(
    "file", ["input/c.3.0.0.0", "brightness/c.0", "input/zarr.json"]
)
def test_a_truncated_file_is_found(copy: Path, file: str) -> None:
    size = (copy / file).stat().st_size
    with (copy / file).open("r+b") as opened:
        opened.truncate(size - 7)
    expected = f"{file} has {size - 7} bytes, not {size}"
    assert expected in failed(verify(copy))[FILES]


@pytest.mark.parametrize(
    "file",
    ["target/c.2.0.0.0", "axis_ratio/c.0", "z_in/zarr.json", "seds/valid/c/0/0"],
)
def test_a_missing_file_is_found(copy: Path, file: str) -> None:
    (copy / file).unlink()
    assert f"{file} is missing" in failed(verify(copy))[FILES]


def test_a_missing_list_of_checksums_is_found(copy: Path) -> None:
    (copy / "checksums.txt").unlink()
    assert "checksums.txt is missing" in failed(verify(copy))[FILES]


@pytest.mark.parametrize("file", ["note.txt", "input/c.5.0.0.0", "seds/flux/c/9"])
def test_a_foreign_file_is_found(copy: Path, file: str) -> None:
    (copy / file).write_text("mine")
    assert f"{file} is no part of the store" in failed(verify(copy))[FILES]


def test_an_empty_root_is_found(copy: Path) -> None:
    (copy / "zarr.json").write_bytes(b"")
    assert set(failed(verify(copy))) == set(EVERY)


def test_a_changed_unit_is_found(copy: Path) -> None:
    zarr.open_array(copy / "half_light_radius", mode="r+").attrs["units"] = "pixel"
    found = failed(verify(copy))
    assert "half_light_radius/zarr.json has" in found[FILES]
    assert "zarr.json differs from what it holds copies of" in found[STRUCTURE]


def test_a_unit_changed_where_readers_look_is_found(copy: Path) -> None:
    text = (copy / "zarr.json").read_text()
    root = json.loads(text)
    copies = root["consolidated_metadata"]["metadata"]
    copies["half_light_radius"]["attributes"]["units"] = "pixel"
    (copy / "zarr.json").write_text(json.dumps(root))
    found = failed(verify(copy))
    assert "half_light_radius has units pixel, not arcsec" in found[STRUCTURE]


@pytest.mark.parametrize("name", ["input", "target", "z_out", "flux_in", "sed_index"])
def test_a_changed_value_is_found_by_making_it_again(copy: Path, name: str) -> None:
    array = zarr.open_array(copy / name, mode="r+")
    values = array[...]
    values[39] = 0
    array[...] = values
    found = failed(verify(copy))
    # The last galaxy is among any sample of two or more.
    assert f"{name} differs in rows [39]" in found[GALAXIES]


def test_a_changed_wavelength_is_found_by_making_it_again(copy: Path) -> None:
    array = zarr.open_array(copy / "wavelength", mode="r+")
    array[2] = 5000.0
    assert "wavelength differs" in failed(verify(copy))[GALAXIES]


def test_a_shard_that_cannot_be_read_is_named(copy: Path) -> None:
    (copy / "input" / "c.0.0.0.0").write_bytes(b"not a shard")
    assert "input cannot be read" in failed(verify(copy))[GALAXIES]


def test_unknown_parameters_of_templates_are_no_difference(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    # NaN is what a grid says where it does not know.
    unknown = np.full(seds.sizes["template"], np.nan)
    grid = seds.assign_coords(metallicity=("template", unknown))
    path = tmp_path / "pairs.zarr"
    ad.write(ad.Recipe(galaxies=10, image_shape=(8, 8)), path, seds=grid)
    report = verify(path)
    assert report.passed, report.to_json()


def made_elsewhere(path: Path, pieces: set[tuple[str, int]]) -> None:
    """Close a store as if another machine had made some of its pieces."""
    root = unsealed(read_root(path / "zarr.json"))
    here = environment()
    environments = [here, {**here, "processor": "another"}]
    root["attributes"]["environments"] = json.dumps(environments)
    entries = read_list(path)
    del entries["spare.zip"]
    for name, entry in entries.items():
        if entry.piece is not None:
            number = int(entry.piece in pieces)
            record = record_of(path / name)
            entries[name] = dataclasses.replace(
                entry, environment=number, record=record
            )
    closing.seal(
        *(path, "zarr.json", root),
        closing.write_copies(path, "zarr.json", root, entries),
    )


def change_last_bits(path: Path, row: int) -> None:
    """Change the last bit of every pixel of one galaxy."""
    array = zarr.open_array(path / "input", mode="r+")
    values = array[...]
    values[row] = np.nextafter(values[row], np.float32(np.inf))
    array[...] = values


@pytest.mark.parametrize("full", [False, True])
def test_last_bits_of_another_machine_are_no_difference(copy: Path, full: bool) -> None:
    change_last_bits(copy, 39)
    made_elsewhere(copy, {("part", 4)})
    report = verify(copy, full=full)
    assert report.passed, report.to_json()
    told = "all 40" if full else "16"
    assert report.checks[2].details == (f"{told} galaxies, to 1e-05 (another machine)",)
    # What no machine would do is still found.
    array = zarr.open_array(copy / "input", mode="r+")
    values = array[...]
    brightest = np.unravel_index(values[39].argmax(), values[39].shape)
    values[(39, *brightest)] *= 1.001
    array[...] = values
    made_elsewhere(copy, {("part", 4)})
    report = verify(copy, full=full)
    assert "input differs in rows [39]" in failed(report)[GALAXIES]
    # Files are as they were recorded; only galaxies made again tell.
    assert set(failed(report)) == {GALAXIES}
    assert report.pieces == ((("part", 4),) if full else ())


def test_last_bits_of_this_machine_are_a_difference(copy: Path) -> None:
    # Another one made the other parts.
    change_last_bits(copy, 39)
    made_elsewhere(copy, {("part", k) for k in range(4)})
    assert failed(verify(copy)) == {GALAXIES: "input differs in rows [39]"}


def test_rows_of_other_shapes_are_different() -> None:
    rows = np.zeros((3, 4))
    for other in (np.zeros((3, 5)), np.zeros((2, 4)), np.zeros((3, 4), np.float32)):
        assert not equal_rows(other, rows, np.zeros(3, bool)).any()


def test_the_report_is_json(copy: Path) -> None:
    flip(copy / "input" / "c.1.0.0.0")
    report = json.loads(verify(copy).to_json())
    assert report["store"] == str(copy)
    assert report["passed"] is False
    assert [c["name"] for c in report["checks"]] == EVERY
    first = report["checks"][0]
    assert first["passed"] is False
    assert len(first["details"]) == 1
    assert first["details"][0].startswith("input/c.1.0.0.0 has checksum ")


@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_says_so_with_its_exit_code(
    copy: Path, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    arguments = ["verify", str(copy), *(["--json"] if as_json else [])]
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 0
    first = capsys.readouterr().out
    flip(copy / "target" / "c.1.0.0.0")
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 1
    second = capsys.readouterr().out
    if as_json:
        assert [json.loads(text)["passed"] for text in (first, second)] == [True, False]
    else:
        assert first.count("ok ") == len(EVERY)
        assert f"FAILED {FILES}\n       target/c.1.0.0.0 has checksum" in second


def test_an_unfinished_store_is_refused(tmp_path: Path, seds: xr.DataArray) -> None:
    def stop(made: int, _: int) -> None:
        if made:
            raise KeyboardInterrupt

    recipe = ad.Recipe(galaxies=40, image_shape=(8, 8), layout={"part": 8})
    with pytest.raises(KeyboardInterrupt):
        ad.write(recipe, tmp_path / "pairs.zarr", seds=seds, progress=stop)
    with pytest.raises(IncompleteError, match="32 of 40 galaxies are missing"):
        verify(tmp_path / "pairs.zarr")


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match="a store that argdask made"):
            verify(path)


@pytest.mark.parametrize(
    ("change", "passes"),
    [
        ({"drop": "keep_bits"}, True),
        ({"keep_bits": 7}, False),
        ({"no_such_key": 1}, False),
    ],
    ids=str,
)
def test_a_recipe_may_lack_keys_that_came_later(
    copy: Path, change: dict[str, object], passes: bool
) -> None:
    root = read_root(copy / "zarr.json")
    checksums = root["attributes"][CHECKSUMS_CHECKSUM]
    recipe = json.loads(root["attributes"]["recipe"])
    dropped = change.get("drop")
    kept = {k: v for k, v in recipe["layout"].items() if k != dropped}
    recipe["layout"] = kept | {k: v for k, v in change.items() if k != "drop"}
    root["attributes"]["recipe"] = json.dumps(recipe)
    (copy / "zarr.json").write_bytes(sealed_bytes(unsealed(root), checksums))
    wrong = failed(verify(copy, sample=1)).get(STRUCTURE, "")
    assert ("attribute recipe is not what the plan gives" not in wrong) == passes
