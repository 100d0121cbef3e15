"""The page about a store: what stands on it, and that it needs nothing else."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import xarray as xr
from click.testing import CliRunner

import argdask as ad
from argdask.cli import cli
from argdask.errors import InputError
from argdask.reporting import Reported

# Few, for drawing them is what takes the time.
FILTERS = ["acs_wfc_f814w", "wfc3_ir_f160w"]
OBSERVED = {
    "survey": "<mine> & yours",
    "layers": ["clean", "noisy"],
    "psf": {"psf_fwhm": 0.2},
    "noise": {"background_sigma": 1e-3},
}


class Page(HTMLParser):
    """What is on a page: its text, its titles, what its tags name."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = ""
        self.titles: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(path.read_text("utf-8"))
        assert self.open == [], "tags that are not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data
            if self.open and self.open[-1] == "h2":
                self.titles.append(data)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "a <b> & c.zarr"
    recipe = ad.Recipe(
        galaxies=10,
        image_shape=8,
        filters=FILTERS,
        observation=OBSERVED,
        layout={"part": 8},
    )
    ad.write(recipe, path)
    return path


@pytest.fixture(scope="module")
def page(store: Path) -> Page:
    made = ad.report(store, store.with_name("r.html"), sample=2)
    assert made == Reported(store.with_name("r.html"), passed=True)
    return Page(made.page)


def test_it_says_all_there_is_to_say_of_a_store(page: Page) -> None:
    assert page.titles == [
        *("What it is", "Pairs", "Distributions", "Verification", "Pixels"),
        *("Observation", "Variables", "Recipe", "Provenance"),
    ]
    text = page.text
    assert "Training pairs: a <b> & c.zarr" in text
    assert "8 x 8 pixels of 0.06 arcsec" in text
    assert "zarr, 2 parts of 8 galaxies" in text
    assert "background_sigma_in [uJy / pixel]" in text
    assert "image_shape: [8, 8]" in text or "image_shape:" in text
    assert "BPZ templates" in text
    assert "FlatLambdaCDM" in text
    assert "numba" in text


def test_sizes_are_those_on_disk(page: Page, store: Path) -> None:
    found = [path.stat().st_size for path in store.rglob("*") if path.is_file()]
    assert f"{sum(found) / 1e6:,.1f} MB in {len(found)} files" in page.text
    assert ad.open_pairs(store).attrs["scale"] > 0
    assert repr(float(ad.open_pairs(store).attrs["scale"])) in page.text


def test_it_says_which_survey_the_numbers_are_of(page: Page) -> None:
    assert "survey: <mine> & yours" in page.text


def test_verification_says_how_deep_it_looked_and_when(page: Page) -> None:
    told = r"passed, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC; checksums of all files, "
    assert re.search(told + "2 galaxies made again", page.text)
    assert "2 galaxies, bit for bit" in page.text


def test_it_needs_no_network_and_runs_nothing(page: Page) -> None:
    assert "script" not in page.tags
    assert "link" not in page.tags
    pictures = [link.partition("data:image/png;base64,") for link in page.links]
    # One in colour, two in all filters, one of distributions.
    assert len(pictures) == 4
    for before, _, data in pictures:
        assert before == ""
        assert base64.b64decode(data).startswith(b"\x89PNG")


def test_pixels_are_those_that_the_store_recorded(page: Page, store: Path) -> None:
    found = ad.pixel_statistics(store)
    one = found.sel(variable="target_noisy", filter="wfc3_ir_f160w")
    assert f"{float(one['minimum']):.5g}" in page.text
    assert f"{float(one['maximum']):.5g}" in page.text


def test_damage_is_told(store: Path) -> None:
    victim = next(p for p in (store / "target").rglob("c.1*") if p.is_file())
    whole = victim.read_bytes()
    victim.write_bytes(bytes([whole[0] ^ 255]) + whole[1:])
    try:
        made = ad.report(store, store.with_name("damaged.html"), full=True)
        assert made.passed is False
        text = Page(made.page).text
        assert re.search(r"FAILED, .*UTC; checksums of all files, all galaxies", text)
        assert "has checksum" in text
    finally:
        victim.write_bytes(whole)


def test_damage_of_what_is_drawn_is_told_too(store: Path) -> None:
    victim = next(p for p in (store / "input").rglob("c*") if p.is_file())
    whole = victim.read_bytes()
    victim.write_bytes(whole[: len(whole) // 3])
    try:
        made = ad.report(store, store.with_name("damaged.html"))
        page = Page(made.page)
        assert "Not drawn: store: got" in page.text
        assert "FAILED" in page.text
        assert "img" not in page.tags
        command = ["report", str(store), "-o", str(made.page), "-q"]
        run = CliRunner().invoke(cli, command, catch_exceptions=False)
        assert run.exit_code == 1
        assert "verification failed: the page says where" in run.stderr
    finally:
        victim.write_bytes(whole)


def test_a_page_is_not_written_into_the_store(store: Path) -> None:
    before = sorted(store.rglob("*"))
    with pytest.raises(InputError, match="expected a file outside of the store"):
        ad.report(store, store / "report.html")
    assert sorted(store.rglob("*")) == before


@pytest.mark.parametrize("name", ["pairs.zarr", "pairs.nc"])
def test_an_incomplete_store_is_reported_as_such(tmp_path: Path, name: str) -> None:
    def stop(made: int, _: int) -> None:
        if made:
            raise KeyboardInterrupt

    recipe = ad.Recipe(
        galaxies=24, image_shape=8, filters=FILTERS, layout={"part": 8, "block": 8}
    )
    with pytest.raises(KeyboardInterrupt):
        ad.write(recipe, tmp_path / name, progress=stop)
    made = Page(ad.report(tmp_path / name, tmp_path / "r.html").page)
    assert "incomplete: 8 of 24 galaxies have images" in made.text
    assert "a store is verified once it is complete" in made.text
    assert "Pairs" in made.titles
    assert "Pixels" not in made.titles
    ad.write(recipe, tmp_path / name)
    made = Page(ad.report(tmp_path / name, tmp_path / "r.html", sample=0).page)
    assert "Not verified for this page" in made.text
    assert "Pixels" in made.titles


def test_a_store_without_a_galaxy_yet_is_reported_too(tmp_path: Path) -> None:
    ad.init(ad.Recipe(galaxies=8, image_shape=8), tmp_path / "pairs.zarr")
    made = Page(ad.report(tmp_path / "pairs.zarr", tmp_path / "r.html").page)
    assert "No galaxy has been made yet." in made.text
    assert made.links == []


def test_pairs_that_are_in_no_store_are_reported(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    recipe = ad.Recipe(galaxies=9, image_shape=8, filters=FILTERS)
    lazy = ad.build(recipe, seds)
    made = Page(ad.report(lazy, tmp_path / "r.html").page)
    assert made.titles == [
        *("What it is", "Pairs", "Distributions", "Recipe", "Provenance")
    ]
    with pytest.raises(InputError, match="a dataset with galaxies"):
        ad.report(lazy.isel(galaxy=0), tmp_path / "r.html")


@pytest.mark.parametrize("name", ["none/r.html", "."])
def test_a_page_that_cannot_be_written_is_refused(
    tmp_path: Path, seds: xr.DataArray, name: str
) -> None:
    pairs = ad.build(ad.Recipe(galaxies=2, image_shape=8), seds)
    with pytest.raises(InputError, match=r"report: got .*try report\.html"):
        ad.report(pairs, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_store_is_refused_and_an_older_page_is_kept(tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    page.write_text("older")
    with pytest.raises(InputError, match="expected a store that argdask"):
        ad.report(tmp_path / "none.zarr", page)
    assert page.read_text() == "older"
    assert list(tmp_path.iterdir()) == [page]
