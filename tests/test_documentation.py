"""The documentation is built without a warning, is whole, and its code runs."""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import netCDF4
import numpy as np
import pytest
import zarr
from matplotlib import pyplot as plt

import argdask as ad
from argdask.cli import cli, main
from argdask.loader_choices import LoaderChoices
from argdask.schema import VARIABLES

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "notebooks" / "documentation"

# Stands, with its reason, in the line above a block that is not run: readers see it.
NOT_RUN = "*Not run by the tests:"


def blocks_of(page: Path) -> Iterator[tuple[str, str, int]]:
    """Find the code of a page that is to be run: its language, text and first line."""
    lines = page.read_text("utf-8").splitlines()
    number, before = 0, ""
    while number < len(lines):
        opened = re.match(r"```(\S*)", lines[number])
        if opened is None:
            # The first line of the last paragraph.
            if lines[number] and not (number and lines[number - 1]):
                before = lines[number]
            number += 1
            continue
        end = lines.index("```", number + 1)
        if opened[1] in ("python", "sh") and not before.startswith(NOT_RUN):
            yield opened[1], "\n".join(lines[number + 1 : end]) + "\n", number + 2
        before, number = "", end + 1


def test_pages_that_are_filled_in_say_where_the_same_is_found() -> None:
    for page in PAGES.rglob("*.md"):
        text = page.read_text("utf-8")
        if "<!-- listing: " in text:
            told = re.search(
                r"on the built site only[^.]*?[.;]([^.]*`.+?`)", text, re.S
            )
            assert told, page
            for name in re.findall(r"`argdask ([a-z]+)", told[1]):
                assert name in cli.commands
            for path in re.findall(r"`([\w/]+\.\w+)`", told[1]):
                assert (ROOT / path).is_file()


WITH_CODE = sorted(page for page in PAGES.rglob("*.md") if any(blocks_of(page)))


def run_shell(text: str, place: str) -> None:
    """Run a block of shell; if it is commands of argdask alone, in this process."""
    lines = text.replace("\\\n", " ").splitlines()
    commands = [shlex.split(line, comments=True) for line in lines]
    plain = not set("<>|&$`;") & set(text)
    if plain and all(command[:1] == ["argdask"] for command in commands):
        for command in commands:
            with pytest.raises(SystemExit) as end:
                main(command[1:])
            assert end.value.code == 0, f"{place}: {' '.join(command)}"
        return
    bin_folder = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        env={**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{place}: {done.stdout}{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs_from_top_to_bottom(page: Path) -> None:
    plt.switch_backend("agg")
    names: dict[str, object] = {"__name__": page.stem}
    for language, text, line in blocks_of(page):
        if language == "sh":
            run_shell(text, f"{page.name}, line {line}")
        else:
            # Its own lines are where an error says that they are.
            exec(compile("\n" * (line - 1) + text, str(page), "exec"), names)
    plt.close("all")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built anew: warnings are errors."""
    folder = tmp_path_factory.mktemp("site")
    command = ["-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    places = ["-c", str(PAGES), "-d", str(folder / "doctrees")]
    done = subprocess.run(
        [sys.executable, *command, *places, str(ROOT / "notebooks"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "documentation"


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the site that makes lists of the code."""
    monkeypatch.syspath_prepend(str(PAGES))
    import site_listings

    return site_listings


@pytest.mark.slow
def test_every_public_name_has_an_entry_in_the_reference(site: Path) -> None:
    text = (site / "python.html").read_text("utf-8")
    found = set(re.findall(r'id="argdask\.(\w+)"', text))
    assert set(ad.__all__) == found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("listing", "page"),
    [("recipe", "recipe"), ("seds", "sed-grid"), ("clusters", "cluster-keys")],
)
def test_every_key_of_a_file_is_on_its_page(
    site: Path, listings: Any, listing: str, page: str
) -> None:
    text = (site / f"{page}.html").read_text("utf-8")
    sections = listings.sections_of(listing)
    assert set(sections[next(iter(sections))]["properties"]) == set(
        listings.CHOICES[listing].model_fields
    )
    for name, section in sections.items():
        for key in section["properties"]:
            assert f'id="{listings.anchor_of(listing, name, key)}"' in text, key


@pytest.mark.slow
def test_every_command_and_option_is_on_the_page_of_the_command_line(
    site: Path,
) -> None:
    text = html.unescape((site / "command-line.html").read_text("utf-8"))
    for name, command in cli.commands.items():
        start = text.index(f'id="argdask-{name}"')
        section = text[start : text.index("</section>", start)]
        for option in command.params:
            for one in [*option.opts, *option.secondary_opts]:
                shown = one if one.startswith("-") else option.human_readable_name
                assert shown in section, f"argdask {name} {one}"


@pytest.mark.slow
def test_every_variable_and_loader_choice_is_in_the_reference(site: Path) -> None:
    text = (site / "python.html").read_text("utf-8")
    for name in (*VARIABLES, *LoaderChoices.model_fields):
        assert f'<span class="pre">{name}</span>' in text, name


@pytest.mark.slow
def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    for page in site.parent.rglob("*.html"):
        text = page.read_text("utf-8")
        loaded = re.findall(r'<(?:script|link|img)[^>]* (?:src|href)="([^"]+)"', text)
        assert not [one for one in loaded if one.startswith(("http", "//"))], page
        assert "$$" not in text, f"{page} has an equation that was not set"


def test_tests_that_the_physics_names_are_there() -> None:
    text = (PAGES / "physics.md").read_text("utf-8")
    named = re.findall(r"(test_\w+\.py)::(test_\w+)", text)
    assert len(named) > 20
    for file, name in named:
        assert f"def {name}(" in (ROOT / "tests" / file).read_text("utf-8"), name
    for module in re.findall(r"`(?:argdask/)?(\w+\.py)`", text):
        assert (ROOT / "argdask" / module).is_file(), module


# The format, read by its page: with zarr-python, netCDF4 and json alone.


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A store of either format, with all that a store can have beside its images."""
    folder = tmp_path_factory.mktemp("stores")
    table = {"magnitude": [20.0 + 0.1 * row for row in range(21)]}
    seen = {"psf": {"psf_fwhm": 0.15}, "noise": {"background_sigma": 1e-3}}
    found = {}
    for suffix, compression in (("zarr", "zstd"), ("nc", "none")):
        recipe = ad.Recipe(
            image_shape=(8, 10),
            filters=["acs_wfc_f814w", "wfc3_ir_f160w"],
            observation=seen,
            layout={"part": 8, "chunk": 4, "block": 16, "compression": compression},
        )
        found[suffix] = folder / f"pairs.{suffix}"
        ad.write(recipe, found[suffix], catalogue=table)
    return found


def checked_root(store: Path, metadata: str) -> dict[str, Any]:
    """Check everything that has a checksum, and return the attributes of the root."""
    root = json.loads((store / metadata).read_text("utf-8"))
    attributes: dict[str, Any] = root["attributes"]
    assert attributes["state"] == "complete"
    listed = (store / "checksums.txt").read_bytes()
    assert google_crc32c.value(listed) == attributes["checksums_crc32c"]
    others = {k: v for k, v in attributes.items() if k != "metadata_crc32c"}
    text = json.dumps({**root, "attributes": others}, sort_keys=True)
    assert google_crc32c.value(text.encode()) == attributes["metadata_crc32c"]
    files = {}
    environments = json.loads(attributes["environments"])
    for line in listed.decode().splitlines():
        crc32c, size, environment, piece, name = line.split(" ", 4)
        data = (store / name).read_bytes()
        assert len(data) == int(size)
        assert google_crc32c.value(data) == int(crc32c, 16)
        assert -1 <= int(environment) < len(environments)
        files[name] = piece
    assert list(files) == sorted(files)
    there = {p.relative_to(store).as_posix() for p in store.rglob("*") if p.is_file()}
    assert there == {*files, "checksums.txt", metadata}
    with zipfile.ZipFile(store / "spare.zip") as spare:
        kept = set(spare.namelist())
        single = {name for name, piece in files.items() if piece == "-"} - {"spare.zip"}
        assert kept == {*single, "checksums.txt", metadata}
        for name in single:
            assert spare.read(name) == (store / name).read_bytes()
    plan = json.loads(attributes["plan"])
    sizes = (plan["part"], plan["chunk"], plan["block"], plan["format_version"])
    assert sizes == (8, 4, 16, 4)
    assert {"recipe", "scale", "seds", "catalogue", "format", "pixels_version"} < set(
        plan
    )
    assert plan["recipe"]["galaxies"] == 21
    assert plan["scale"] == attributes["scale"]
    assert re.fullmatch("[0-9a-f]{64}", attributes["fingerprint"])
    attributes["files"] = files
    return attributes


def test_a_zarr_store_is_what_its_specification_says(stores: dict[str, Path]) -> None:
    store = stores["zarr"]
    attributes = checked_root(store, "zarr.json")
    files = attributes["files"]
    assert files["input/c.2.0.0.0"] == "part.2"
    assert files["z_in/c.1"] == "block.1"
    assert files["seds/zarr.json"] == "-"
    group = zarr.open_group(store, mode="r", zarr_format=3)
    image = group["input_noisy"]
    assert image.metadata.dimension_names == ("galaxy", "y", "x", "filter")
    assert image.shape == (21, 8, 10, 2)
    assert image.shards == (8, 8, 10, 2)
    assert image.chunks == (4, 8, 10, 2)
    assert image.dtype == np.float32
    assert np.isnan(image.fill_value)
    assert group["z_in"].chunks == (16,)
    assert group["galaxy_id"].fill_value == -1
    for name in attributes["coordinates"].split():
        assert group[name].attrs["units"] == VARIABLES[name].units
    np.testing.assert_array_equal(group["galaxy_id"][:], np.arange(21))
    # A shard by hand: inner chunks, then their places and the checksum of these.
    data = (store / "input" / "c.2.0.0.0").read_bytes()
    table, crc32c = data[-36:-4], int.from_bytes(data[-4:], "little")
    assert google_crc32c.value(table) == crc32c
    places = np.frombuffer(table, "<u8").reshape(2, 2)
    assert (places[0, 0], places[0, 1] + places[1, 1]) == (0, len(data) - 36)
    _check_groups(
        {name: group[name] for name in ("seds", "statistics", "psfs", "catalogue")},
        group,
        attributes["scale"],
    )


def _check_groups(groups: Any, root: Any, scale: float) -> None:
    grid, seen = groups["seds"], groups["psfs"]
    redshift = grid["redshift"][:]
    assert grid["valid"].shape == (redshift.size, grid["flux"].shape[2])
    for galaxy in (0, 20):
        place = np.argmin(abs(redshift - root["z_out"][galaxy]))
        flux = grid["flux"][place, :, int(root["sed_index"][galaxy])]
        flux = flux * root["brightness"][galaxy]
        np.testing.assert_allclose(root["flux_out"][galaxy], flux, rtol=1e-12)
        cube = root["target"][galaxy] / scale
        # A stamp of 8 by 10 pixels holds some of the light, the same in all filters.
        share = cube.sum(axis=(0, 1)) / flux
        assert 0 < share[0] < 1
        np.testing.assert_allclose(share, share[0], rtol=1e-5)
    np.testing.assert_allclose(seen["psf_in"][:].sum(axis=(1, 2)), 1.0, rtol=1e-6)
    np.testing.assert_allclose(groups["catalogue"]["magnitude"][3], 20.3)
    told = groups["statistics"]
    names = [str(name) for name in told["variable"][:]]
    pixels = root["input"][:]
    number = names.index("input")
    np.testing.assert_array_equal(told["maximum"][number], pixels.max(axis=(0, 1, 2)))
    assert (told["pixels"][number] == pixels[..., 0].size).all()
    sampled = np.add.outer(np.arange(21), np.arange(8)) % 16 == 0
    softened = np.arcsinh(pixels[sampled].astype(float) / (1e-3 * scale))
    # Values are rounded to 2^-14.
    for name, expected in (
        ("mean", softened.mean(axis=(0, 1))),
        ("standard_deviation", softened.std(axis=(0, 1))),
    ):
        np.testing.assert_allclose(told[name][number], expected, atol=2**-14)
    percentiles = np.percentile(softened, told["percentile"][:], axis=(0, 1)).T
    # Bins are 1/32 wide; between neighbours of a few hundred pixels there is as much.
    found = told["asinh_percentile"][number]
    np.testing.assert_allclose(found, percentiles, atol=3 / 32)


def test_a_netcdf_store_is_what_its_specification_says(
    stores: dict[str, Path],
) -> None:
    store = stores["nc"]
    attributes = checked_root(store, "manifest.json")
    assert attributes["files"]["part-000000000002.nc"] == "part.2"
    assert attributes["files"]["coordinates-000000000001.nc"] == "block.1"
    manifest = json.loads((store / "manifest.json").read_text("utf-8"))
    assert manifest["rows"] == {"part": 8, "coordinates": 16}
    assert manifest["sizes"] == {"galaxy": 21, "y": 8, "x": 10, "filter": 2}
    assert manifest["variables"]["filter"]["values"] == [
        "acs_wfc_f814w",
        "wfc3_ir_f160w",
    ]
    rows: dict[str, list[Any]] = {}
    for number, count in enumerate((8, 8, 5)):
        with netCDF4.Dataset(store / f"part-{number:012}.nc") as part:
            assert part.Conventions == "CF-1.9"
            assert part["input"].dimensions == ("galaxy", "y", "x", "filter")
            assert part["position_angle"].units == "degree"
            for name, told in manifest["variables"].items():
                if "galaxy" in told["dims"]:
                    values = np.asarray(part[name][:])
                    assert values.shape[0] == count
                    assert str(values.dtype) == told["dtype"]
                    rows.setdefault(name, []).append(values)
    root = {name: np.concatenate(values) for name, values in rows.items()}
    with netCDF4.Dataset(store / "coordinates-000000000001.nc") as block:
        np.testing.assert_array_equal(block["z_in"][:], root["z_in"][16:])
    with (
        netCDF4.Dataset(store / "seds.nc") as seds,
        netCDF4.Dataset(store / "psfs.nc") as psfs,
        netCDF4.Dataset(store / "catalogue.nc") as table,
        netCDF4.Dataset(store / "statistics.nc") as statistics,
    ):
        groups = {"seds": seds, "psfs": psfs, "catalogue": table}
        _check_groups({**groups, "statistics": statistics}, root, attributes["scale"])


def test_receipts_are_what_the_specification_says(tmp_path: Path) -> None:
    store = tmp_path / "begun.zarr"
    layout = {"part": 8, "chunk": 4, "block": 16}
    ad.init(ad.Recipe(galaxies=21, image_shape=8, layout=layout), store)
    ad.part(store, 0, 2)
    root = json.loads((store / "zarr.json").read_text("utf-8"))["attributes"]
    assert root["state"] == "incomplete"
    lines = [
        json.loads(line)
        for file in (tmp_path / "begun.zarr.receipts").glob("*.jsonl")
        for line in file.read_text("utf-8").splitlines()
    ]
    named = {
        line["environment_name"]: line["values"]
        for line in lines
        if "environment_name" in line
    }
    receipts = [line for line in lines if "kind" in line]
    assert receipts
    for line in lines:
        crc32c = line.pop("crc32c")
        text = json.dumps(line, separators=(",", ":"))
        assert google_crc32c.value(text.encode()) == crc32c
    for receipt in receipts:
        assert receipt["fingerprint"] == root["fingerprint"]
        size = layout[receipt["kind"]]
        assert receipt["start"] == receipt["index"] * size
        assert receipt["stop"] == min(receipt["start"] + size, 21)
        assert receipt["environment"] in named
        for name, (length, crc32c) in receipt["files"].items():
            data = (store / name).read_bytes()
            assert (len(data), google_crc32c.value(data)) == (length, crc32c)
