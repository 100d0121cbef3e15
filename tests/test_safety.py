"""Nothing that is read is executed, and nothing read leads out of a store."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from damage import contents, files_of, flip, small

import argdask as ad
from argdask.errors import IncompleteError, InputError
from argdask.store import closing, spare
from argdask.store.attributes import read_root, unsealed
from argdask.store.files import FileRecord, is_inside, record_of
from argdask.store.listing import Entry, from_bytes, read_list
from argdask.store.plan import Plan
from argdask.store.receipts import Journal, Receipt, done_receipts
from argdask.store.spare import Spare
from argdask.store.work import read_plan

MARK = Path("executed")
OUTSIDE = ["../outside", "/etc/outside", "a/../../outside", "..", "./a", "a//b", "a\\b"]


class Payload:
    """What leaves a mark where it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(MARK.absolute()),)


@pytest.fixture(autouse=True)
def _mark_is_never_made() -> Any:
    yield
    assert not MARK.exists()


def test_the_payload_would_leave_its_mark() -> None:
    pickle.loads(pickle.dumps(Payload()))
    assert MARK.is_dir()
    MARK.rmdir()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, seds: xr.DataArray) -> Path:
    path = tmp_path_factory.mktemp("good") / "pairs.zarr"
    ad.write(small(), path, seds=seds)
    return path


@pytest.fixture
def copy(good: Path, tmp_path: Path) -> Path:
    """A copy in a folder of its own, beside which nothing may appear."""
    return Path(shutil.copytree(good, tmp_path / "folder" / "pairs.zarr"))


YAML_PAYLOADS = [
    "!!python/object/apply:os.mkdir [executed]",
    "!!python/object/new:os.mkdir [executed]",
    "galaxies: !!python/object/apply:os.mkdir [executed]",
    "seed: !!python/name:os.mkdir",
]


@pytest.mark.parametrize("text", YAML_PAYLOADS)
def test_a_recipe_executes_nothing(text: str) -> None:
    Path("recipe.yaml").write_text(text)
    with pytest.raises(InputError):
        ad.Recipe.from_yaml("recipe.yaml")
    with pytest.raises(InputError):
        ad.SedGrid.from_yaml("recipe.yaml")


@pytest.mark.parametrize("text", YAML_PAYLOADS)
def test_the_header_of_a_table_executes_nothing(text: str) -> None:
    header = f"# %ECSV 1.0\n# ---\n# datatype:\n# - {{name: sersic_index, {text}}}\n"
    Path("table.ecsv").write_text(f"{header}sersic_index\n1.0\n")
    with pytest.raises(InputError):
        ad.read_table("table.ecsv")


@pytest.mark.parametrize("name", ["grid.npy", "grid.npz"])
def test_pickled_arrays_of_numpy_are_refused(name: str) -> None:
    values = np.empty(1, object)
    values[0] = Payload()
    if name.endswith("npy"):
        np.save(name, values, allow_pickle=True)
    else:
        np.savez(name, flux=values)
    with pytest.raises(InputError):
        ad.read_seds(name)
    if name.endswith("npy"):
        profile = {"name": "images", "source": name}
        with pytest.raises(InputError):
            ad.simulate(ad.Recipe(galaxies=1, profile=profile), None, [0])


def pickled_zarr(path: Path, dims: list[str], filters: list[str]) -> None:
    """Write an array of Zarr 2 whose only chunk is pickled."""
    path.mkdir(parents=True)
    (path.parent / ".zgroup").write_text('{"zarr_format": 2}')
    fields = {
        "zarr_format": 2,
        "shape": [1] * len(dims),
        "chunks": [1] * len(dims),
        "dtype": "|O",
        "compressor": None,
        "filters": [{"id": name} for name in filters],
        "fill_value": None,
        "order": "C",
    }
    (path / ".zarray").write_text(json.dumps(fields))
    (path / ".zattrs").write_text(json.dumps({"_ARRAY_DIMENSIONS": dims}))
    (path / ".".join("0" * len(dims))).write_bytes(pickle.dumps(Payload()))


@pytest.fixture(params=[["pickle"], ["vlen-utf8", "pickle"]], ids="-".join)
def filters(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Codecs that unpickle, as older versions of numcodecs do unasked."""
    from numcodecs import pickles

    if hasattr(pickles, "ALLOW_UNSAFE_PICKLE_DECODE"):
        monkeypatch.setattr(pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True)
    return request.param


def test_pickled_arrays_of_zarr_are_refused(filters: list[str]) -> None:
    pickled_zarr(Path("grid.zarr/flux"), ["redshift", "filter", "template"], filters)
    with pytest.raises(InputError, match=r"flux in grid\.zarr, which is pickled"):
        ad.read_seds("grid.zarr")
    pickled_zarr(Path("images.zarr/some"), ["image", "y", "x"], filters)
    profile = {"name": "images", "source": "images.zarr"}
    with pytest.raises(InputError):
        ad.simulate(ad.Recipe(galaxies=1, profile=profile), None, [0])


@pytest.mark.parametrize("name", ["seds/flux", "input", "z_in", "flux_in"])
def test_a_store_is_read_in_its_own_format_alone(
    copy: Path, name: str, filters: list[str]
) -> None:
    shutil.rmtree(copy / name.split("/")[0])
    dims = {"seds/flux": ["redshift", "filter", "template"], "z_in": ["galaxy"]}
    pickled_zarr(copy / name, dims.get(name, ["galaxy", "filter"]), filters)
    (copy / "zarr.json").chmod(0o644)
    assert not ad.verify(copy).passed
    for read in (
        lambda: ad.open_pairs(copy, chunks=None).load(),
        lambda: ad.export(copy, "arrays"),
        lambda: ad.read_seds(copy),
    ):
        try:
            read()
        except (InputError, FileNotFoundError, KeyError):
            continue
    done = ad.repair(copy, remove_foreign=True)
    assert done.passed, done.to_text()


def test_objects_in_hdf_files_are_refused() -> None:
    text = h5py.string_dtype()
    with h5py.File("models.hdf", "w") as file:
        data = np.array([pickle.dumps(Payload()).hex()], object)
        file.create_dataset("wl", data=data, dtype=text)
        file.create_dataset("z", data=data, dtype=text)
        file.create_dataset("fluxes", data=data, dtype=text)
    with pytest.raises(InputError):
        ad.read_seds("models.hdf")


# Paths.


@pytest.mark.parametrize("name", OUTSIDE)
def test_names_that_lead_elsewhere_are_known(name: str) -> None:
    assert not is_inside(name)
    assert is_inside("input/c.0.0.0.0")


@pytest.mark.parametrize("name", OUTSIDE)
def test_receipts_of_files_elsewhere_do_not_count(tmp_path: Path, name: str) -> None:
    store = tmp_path / "stores" / "pairs.zarr"
    store.mkdir(parents=True)
    (store.parent / "outside").write_bytes(b"four")
    plan = Plan(ad.Recipe(galaxies=16), scale=1.0, seds="", part=16, chunk=4, block=16)
    receipt = Receipt(
        *(plan.fingerprint, "part", 0, 0, 16),
        files={name: FileRecord(4, record_of(store.parent / "outside").crc32c)},
        seconds=1.0,
    )
    Journal(store).append(receipt)
    assert done_receipts(store, plan) == []


def reseal(path: Path, entries: dict[str, Entry]) -> None:
    """Close a store with a list of files that someone made up."""
    root = unsealed(read_root(path / "zarr.json"))
    whole = {name: e for name, e in entries.items() if name != "spare.zip"}
    closing.seal(
        path, "zarr.json", root, {**whole, "spare.zip": Entry(FileRecord(0, 0))}
    )


@pytest.mark.parametrize("name", ["../outside", "/tmp/argdask-outside"])
def test_a_list_that_names_files_elsewhere_is_damaged(copy: Path, name: str) -> None:
    outside = copy / name
    reseal(copy, {**read_list(copy), name: Entry(FileRecord(4, 0))})
    with pytest.raises(ValueError, match="no line of a list"):
        from_bytes((copy / "checksums.txt").read_bytes())
    report = ad.verify(copy)
    assert "checksums.txt: the list itself is damaged" in report.checks[0].details
    # The root vouches for that list: another one is recorded only if asked.
    assert ad.repair(copy).differing == ["checksums.txt"]
    assert ad.repair(copy, new_checksums=True).passed
    assert not outside.exists()
    assert ad.verify(copy).passed


def test_spare_copies_for_files_elsewhere_are_passed_over(copy: Path) -> None:
    texts = {"../outside": b"mine", "/tmp/argdask-outside": b"mine", "a": b"inside"}
    # As an attacker would: by a writer that checks nothing.
    spare.write(copy, [], texts)
    assert Spare(copy).names == {"a"}
    assert not ad.verify(copy).passed
    assert ad.repair(copy).passed
    assert [one.name for one in copy.parent.iterdir()] == [copy.name]


def test_a_zip_file_that_grows_when_it_is_read_is_passed_over(copy: Path) -> None:
    import zipfile

    with zipfile.ZipFile(copy / "spare.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("checksums.txt", bytes(10**7))
    assert Spare(copy).names == frozenset()
    assert ad.repair(copy).passed


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_links_are_never_written_through(copy: Path, good: Path, kind: str) -> None:
    name = files_of(copy, "part", 1)[0]
    outside = copy.parent.parent / "outside"
    if kind == "file":
        outside.write_bytes(b"mine")
        (copy / name).unlink()
        (copy / name).symlink_to(outside)
        assert ad.repair(copy).passed
        assert outside.read_bytes() == b"mine"
        assert not (copy / name).is_symlink()
        assert contents(copy) == contents(good)
        return
    folder = (copy / name).parent
    folder.rename(outside)
    folder.symlink_to(outside)
    before = contents(outside)
    flip(outside / Path(name).name)
    flipped = contents(outside)
    with pytest.raises(InputError, match="a link that leads outside"):
        ad.repair(copy)
    assert contents(outside) == flipped != before


def change_plan(path: Path, **changes: Any) -> None:
    """Change the plan of a store, and all that would give the change away."""
    root = unsealed(read_root(path / "zarr.json"))
    plan = {**json.loads(root["attributes"]["plan"]), **changes}
    root["attributes"]["plan"] = json.dumps(plan, sort_keys=True)
    try:
        fingerprint = Plan.from_json(root["attributes"]["plan"]).fingerprint
    except InputError:
        fingerprint = "0" * 64
    root["attributes"]["fingerprint"] = fingerprint
    entries = read_list(path)
    del entries["spare.zip"]
    whole = closing.write_copies(path, "zarr.json", root, entries)
    closing.seal(path, "zarr.json", root, whole)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "../../outside"},
        {"format": "pickle"},
        {"part": "../outside"},
        {"part": -1},
        {"chunk": 0},
        {"block": "/etc"},
        {"scale": "os.mkdir"},
        {"recipe": "!!python/object/apply:os.mkdir [executed]"},
    ],
    ids=str,
)
def test_a_plan_that_someone_made_up_leads_nowhere(
    copy: Path, changes: dict[str, Any]
) -> None:
    change_plan(copy, **changes)
    before = contents(copy.parent)
    with pytest.raises(InputError):
        read_plan(copy)
    with pytest.raises(InputError):
        ad.open_pairs(copy)
    with pytest.raises((InputError, IncompleteError)):
        ad.write(None, copy)
    assert not ad.verify(copy).passed
    ad.repair(copy)
    assert contents(copy.parent) == before
