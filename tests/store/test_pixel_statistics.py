"""Statistics of pixels are those of numpy over the whole store, however it is made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from damage import LAYOUT, contents, flip, metadata_of, name_of_store, small

import argdask as ad
from argdask.errors import IncompleteError, InputError
from argdask.inspection import inspect
from argdask.statistics_kernels import BINS_PER_UNIT, STEPS, is_sampled
from argdask.store import tallies
from argdask.store.formats import FORMATS
from argdask.store.pixel_statistics import is_of_statistics
from argdask.store.tallies import TALLIES
from argdask.store.work import read_plan


def test_they_are_those_of_numpy_over_the_whole_store(any_store: Path) -> None:
    found = ad.pixel_statistics(any_store)
    pairs = ad.open_pairs(any_store, chunks=None)
    assert list(found["variable"].values) == ["input", "target"]
    np.testing.assert_array_equal(found["filter"].values, pairs["filter"].values)
    assert found.attrs["softening"] == pytest.approx(1e-3 * pairs.attrs["scale"])
    rows = np.arange(pairs.sizes["galaxy"])
    sampled = np.array([is_sampled(row, np.arange(pairs.sizes["y"])) for row in rows])
    for name in ("input", "target"):
        own = found.sel(variable=name)
        images = pairs[name].values.astype(np.float64)
        flat = images.reshape(-1, images.shape[-1])
        np.testing.assert_array_equal(own["minimum"], flat.min(0))
        np.testing.assert_array_equal(own["maximum"], flat.max(0))
        np.testing.assert_array_equal(own["pixels"], len(flat))
        np.testing.assert_array_equal(own["missing"], 0)
        asinh = np.arcsinh(images[sampled] / found.attrs["softening"])
        asinh = asinh.reshape(-1, images.shape[-1])
        # Each value is rounded to half a step.
        for key, expected in (
            ("mean", asinh.mean(0)),
            ("standard_deviation", asinh.std(0)),
        ):
            np.testing.assert_allclose(own[key], expected, rtol=0, atol=0.51 / STEPS)
        percentiles = found["percentile"].values
        for k in range(asinh.shape[1]):
            # A bin's width, between the pixels on both sides.
            low, high = (
                np.percentile(asinh[:, k], percentiles, method=method)
                for method in ("lower", "higher")
            )
            value = own["asinh_percentile"].values[k]
            assert (value >= low - 1 / BINS_PER_UNIT).all()
            assert (value <= high + 1 / BINS_PER_UNIT).all()


@pytest.mark.parametrize("kind", sorted(FORMATS))
@pytest.mark.parametrize("steps", [[20, 24], [8, 13, 24]])
def test_an_extended_store_has_the_bytes_of_one_made_at_once(
    tmp_path: Path, seds: xr.DataArray, kind: str, steps: list[int]
) -> None:
    name = name_of_store(kind)
    ad.write(small(scale=1.0), tmp_path / name, seds=seds)
    path = tmp_path / "extended" / name
    path.parent.mkdir()
    for galaxies in steps:
        ad.write(small(scale=1.0, galaxies=galaxies), path, seds=seds)
    assert contents(path) == contents(tmp_path / name)


class KilledError(BaseException):
    """What a test raises in the place of a death; nothing catches it."""


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_a_death_at_any_file_of_the_closing_changes_no_byte(
    tmp_path: Path, seds: xr.DataArray, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = name_of_store(kind)
    ad.write(small(), tmp_path / name, seds=seds)
    ready = tmp_path / "ready"
    ready.mkdir()
    ad.init(small(), ready / name, seds=seds)
    ad.part(ready / name, 0, 1)
    replace, left = Path.replace, 0

    def dying(self: Path, target: Path) -> Path:
        nonlocal left
        left -= 1
        if left == 0:
            raise KilledError
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", dying)
    deaths = 0
    # Of some dozens of files in a Zarr store, one of seven.
    for number in range(1, 200, 7 if kind == "zarr" else 1):
        folder = tmp_path / str(number)
        shutil.copytree(ready, folder)
        left = number
        try:
            ad.finalise(folder / name)
            break
        except KilledError:
            deaths += 1
        with pytest.raises(IncompleteError, match=r"`argdask generate .* resumes"):
            ad.pixel_statistics(folder / name)
        left = 0
        ad.finalise(folder / name)
        assert contents(folder / name) == contents(tmp_path / name)
    # Tallies, statistics, list, spare copies, root.
    assert deaths >= 4


@pytest.fixture(scope="module", params=sorted(FORMATS))
def good(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    seds: xr.DataArray,
) -> Path:
    path = tmp_path_factory.mktemp("good") / name_of_store(request.param)
    ad.write(small(), path, seds=seds)
    return path


@pytest.fixture
def copy(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / good.name))


def statistics_in(path: Path) -> list[str]:
    plan = read_plan(path)
    return [name for name in contents(path) if is_of_statistics(plan, name)]


def test_what_is_lost_is_made_again_from_the_images(copy: Path, good: Path) -> None:
    names = statistics_in(copy)
    assert TALLIES in names
    assert len(names) >= 2
    for name in [*names, "spare.zip"]:
        (copy / name).unlink()
    done = ad.repair(copy)
    assert done.passed, done.to_text()
    assert contents(copy) == contents(good)


def test_what_is_damaged_in_both_copies_is_made_again(copy: Path, good: Path) -> None:
    for name in [TALLIES, statistics_in(copy)[0], "spare.zip"]:
        flip(copy / name)
    assert ad.repair(copy).passed
    assert contents(copy) == contents(good)


def test_without_any_list_all_is_made_again(copy: Path, good: Path) -> None:
    for name in ("checksums.txt", "spare.zip"):
        (copy / name).unlink()
    flip(copy / TALLIES)
    assert ad.repair(copy).passed
    assert contents(copy) == contents(good)


@pytest.mark.parametrize("full", [False, True])
def test_verify_sees_statistics_of_other_images(copy: Path, full: bool) -> None:
    assert ad.verify(copy, full=full).passed
    tallies = json.loads((copy / TALLIES).read_bytes())
    tallies["whole"]["sum"][1][2] += 10**7
    (copy / TALLIES).write_text(json.dumps(tallies))
    check = ad.verify(copy, full=full).checks[-1]
    assert check.name == "statistics of pixels"
    # Made again from the images, the labelled ones are as they should be.
    assert check.passed == full
    assert full or "mean is not that of the images" in check.details[0]


@pytest.mark.parametrize("name", ["variable", "filter"])
def test_verify_sees_labels_of_other_images(
    tmp_path: Path, copy: Path, name: str
) -> None:
    found, other = ad.pixel_statistics(copy), tmp_path / "other"
    other.mkdir()
    found = found.assign_coords({name: found[name].values[::-1]})
    FORMATS[read_plan(copy).format].write_statistics(other, found)
    for file in contents(other):
        if is_of_statistics(read_plan(copy), file):
            shutil.copy(other / file, copy / file)
    check = ad.verify(copy).checks[-1]
    assert check.details == (f"statistics: {name} is not that of the store",)


def test_damaged_labels_of_an_incomplete_store_are_not_read(
    tmp_path: Path, good: Path, seds: xr.DataArray
) -> None:
    path = tmp_path / good.name
    ad.init(small(), path, seds=seds)
    ad.part(path, 0, 1)
    for name in statistics_in(path):
        (path / name).write_bytes(b"")
    ad.finalise(path)
    assert contents(path) == contents(good)


@pytest.mark.parametrize("harm", [lambda text: "", lambda text: text[:-40]])
def test_a_receipt_without_its_tally_is_made_up_for(
    tmp_path: Path, good: Path, seds: xr.DataArray, harm: Callable[[str], str]
) -> None:
    from argdask.store import closing
    from argdask.store.receipts import done_receipts

    path = tmp_path / good.name
    ad.init(small(), path, seds=seds)
    ad.part(path, 0, 1)
    receipts = done_receipts(path, read_plan(path))
    for receipt in receipts:
        object.__setattr__(receipt, "tally", harm(receipt.tally))
    closing.finalise(path, read_plan(path), receipts)
    assert contents(path) == contents(good)


def test_receipts_of_a_longer_store_that_is_gone_lack_no_histogram(
    tmp_path: Path, seds: xr.DataArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of three parts, only those of even number keep their histogram.
    monkeypatch.setattr(tallies, "MOST_HISTOGRAMS", 2)
    path, other = tmp_path / "pairs.zarr", tmp_path / "other.zarr"
    ad.init(small(scale=1.0), path, seds=seds)
    ad.part(path, 0, 1)
    shutil.rmtree(path)
    for place in (path, other):
        ad.write(small(scale=1.0, galaxies=16), place, seds=seds)
    assert set(json.loads((other / TALLIES).read_bytes())["histograms"]) == {"0", "1"}
    assert contents(path) == contents(other)


def test_missing_pixels_are_counted(tmp_path: Path, good: Path) -> None:
    found = inspect(good)
    assert len(found.statistics) == 2 * 9
    assert all(one.missing == 0 for one in found.statistics)
    told = found.to_text().splitlines()
    assert sum(line.startswith("  input  ") for line in told) >= 9
    json.loads(found.to_json())


def test_an_export_has_them_in_a_group(tmp_path: Path, good: Path) -> None:
    ad.export(good, tmp_path / "one.nc", layout="netcdf")
    with xr.open_dataset(tmp_path / "one.nc", group="statistics") as opened:
        found, own = opened.load(), ad.pixel_statistics(good)
    assert set(found.data_vars) == set(own.data_vars)
    for name in own.data_vars:
        np.testing.assert_array_equal(found[name].values, own[name].values)
    assert found.attrs["softening"] == own.attrs["softening"]


def test_a_place_without_a_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        ad.pixel_statistics(tmp_path / "nothing.zarr")


def test_a_store_of_another_format_version_is_named(copy: Path) -> None:
    root = copy / metadata_of(copy)
    fields = json.loads(root.read_text())
    plan = json.loads(fields["attributes"]["plan"])
    fields["attributes"]["plan"] = json.dumps({**plan, "format_version": 3})
    root.write_text(json.dumps(fields))
    with pytest.raises(InputError, match="got format version 3, expected"):
        ad.pixel_statistics(copy)


def test_layouts_differ_only_in_which_parts_percentiles_look_at(
    tmp_path: Path, seds: xr.DataArray, good: Path
) -> None:
    other = {**LAYOUT, "part": 12}
    ad.write(small(layout=other), tmp_path / good.name, seds=seds)
    xr.testing.assert_identical(
        ad.pixel_statistics(tmp_path / good.name), ad.pixel_statistics(good)
    )
