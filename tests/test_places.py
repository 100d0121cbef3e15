"""Paths as users give them: what is refused, and what ~ is."""

from __future__ import annotations

from pathlib import Path

import pytest

import argdask as ad
from argdask.errors import InputError
from argdask.places import place_of, store_at


def test_text_and_paths_are_taken_as_they_are() -> None:
    assert place_of("a/b.zarr") == place_of(Path("a/b.zarr")) == Path("a/b.zarr")
    assert store_at("b.zarr") == Path.cwd() / "b.zarr"


def test_a_home_folder_takes_the_place_of_its_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert place_of("~/b.zarr") == home / "b.zarr"
    recipe = ad.Recipe(galaxies=2, image_shape=6)
    assert ad.write(recipe, "~/b.zarr").path == home / "b.zarr"
    assert ad.open_pairs("~/b.zarr").sizes["galaxy"] == 2
    assert ad.verify("~/b.zarr").passed
    assert ad.write_seds(ad.default_seds(), "~/grid.nc") == home / "grid.nc"
    assert ad.read_seds("~/grid.nc").sizes["filter"] == 9
    assert not Path("~").exists()


@pytest.mark.parametrize("path", [None, "", 3, ["a"]])
def test_what_is_no_path_is_refused(path: object) -> None:
    with pytest.raises(InputError, match=r"seds file: got .*, expected a path"):
        place_of(path, "seds file")


def test_a_user_whom_nobody_knows_is_told() -> None:
    with pytest.raises(InputError, match=r"no such user; write \./~ for a name"):
        place_of("~nobody-of-this-name/pairs.zarr")


@pytest.mark.parametrize("path", ["/", "//", "/.."])
def test_a_store_has_a_name(path: str) -> None:
    with pytest.raises(InputError, match=r"store: got .*add one, /pairs\.zarr"):
        store_at(path)
