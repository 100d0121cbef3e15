"""What users bring, from the command line: redshifts, catalogues, images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from astropy.table import Table

import argdask as ad
from argdask.cli import main


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return int(caught.value.code or 0)


def setting(**choices: Any) -> list[str]:
    small = {"image_shape": 8, "galaxies": 30, **choices}
    return [
        part for key, value in small.items() for part in ("--set", f"{key}={value}")
    ]


def test_a_set_with_redshifts_between_those_of_the_grid(capsys):
    choices = setting(**{"redshifts.values": "continuous"})
    assert run("generate", "pairs.zarr", *choices) == 0
    assert run("verify", "pairs.zarr") == 0
    pairs = ad.open_pairs("pairs.zarr")
    assert not np.isin(pairs["z_in"], ad.default_seds()["redshift"]).any()
    recipe = ad.Recipe(image_shape=8, galaxies=30, redshifts={"values": "continuous"})
    made = ad.simulate(recipe, galaxies=[7, 3])
    np.testing.assert_array_equal(pairs["target"][[7, 3]].values, made["target"])
    capsys.readouterr()
    assert run("generate", "other.zarr", *setting(**{"redshifts.z_in": 3})) == 2
    told = capsys.readouterr().err
    assert told.startswith("argdask: redshifts.z_in: got 3, expected 0.1 to 2, the red")
    assert len(told.splitlines()) == 1


def test_a_set_from_a_catalogue(capsys):
    with open("galaxies.csv", "w") as file:  # noqa: PTH123
        file.write("galaxy_id,z_in,radius,half_light_radius,group\n")
        file.writelines(
            f"{5 * k},{0.1 + k / 20},1,{400 + k},{k % 3}\n" for k in range(20)
        )
    small = ["--set", "image_shape=8", "--set", "catalogue.path=galaxies.csv"]
    stated = ["--set", "catalogue.units={half_light_radius: mas}"]
    left_out = ["--set", "catalogue.ignore=[radius]"]
    assert run("generate", "pairs.zarr", *small, *stated, *left_out) == 0
    assert run("verify", "pairs.zarr") == 0
    pairs = ad.open_pairs("pairs.zarr")
    assert pairs["galaxy_id"].values.tolist() == list(range(0, 100, 5))
    np.testing.assert_allclose(pairs["half_light_radius"], 0.4 + np.arange(20) / 1000)
    assert run("preview", "pairs.zarr", "-o", "pairs.png") == 0
    # The store has all it needs, and a table that is there is compared.
    Path("galaxies.csv").rename("moved.csv")
    assert run("generate", "pairs.zarr") == 0
    capsys.readouterr()
    assert run("generate", "other.zarr", *small) == 2
    assert "catalogue: got galaxies.csv (no such file)" in capsys.readouterr().err
    table = ["--set", "catalogue.path=moved.csv", *stated, *left_out]
    assert run("generate", "other.zarr", *table, "--galaxies", "21") == 2
    assert capsys.readouterr().err.startswith(
        "argdask: galaxies: got 21, expected at most 20, the rows of the catalogue; "
    )
    assert run("generate", "other.zarr", *table) == 0


def test_a_set_of_images_with_a_catalogue(capsys):
    random = np.random.default_rng(1)
    np.save("images.npy", random.lognormal(0, 1, (30, 8, 8)))
    ids = random.permutation(60)[:30]
    Table({"galaxy_id": ids, "z_in": random.uniform(0.1, 1.5, 30)}).write("table.fits")
    Path("set.yaml").write_text(
        "profile: {name: images, source: images.npy}\n"
        "catalogue: {path: table.fits}\n"
        "normalise: peak\n"
    )
    assert run("generate", "pairs.zarr", "--recipe", "set.yaml") == 0
    assert run("verify", "pairs.zarr") == 0
    pairs = ad.open_pairs("pairs.zarr")
    assert pairs["galaxy_id"].values.tolist() == ids.tolist()
    assert pairs["image"].values.tolist() == list(range(30))
    assert run("preview", "set.yaml", "-o", "pairs.png") == 0
    assert run("inspect", "pairs.zarr") == 0
    assert run("export", "pairs.zarr", "arrays") == 0
    truth = Table.read("arrays/truth.ecsv")
    assert truth["group"].tolist() == list(range(30))
    capsys.readouterr()
    twice = ["--set", "profile.source=nothing.npy"]
    assert run("generate", "other.zarr", "--recipe", "set.yaml", *twice) == 2
    told = capsys.readouterr().err
    assert "nothing.npy (no such file)" in told
    assert len(told.splitlines()) == 1


def test_what_a_user_brings_has_options_that_go_over_recipe_and_settings(capsys):
    pixels = np.random.default_rng(2).lognormal(0, 1, (3, 8, 8))
    np.save("images.npy", pixels)
    Path("t.csv").write_text("galaxy_id,z_in,image,radius\n7,0.5,2,1\n4,0.7,0,1\n")
    Path("plain.yaml").write_text(
        "image_shape: 8\nprofile: {axis_ratio: 0.5}\ncatalogue: {path: no.csv}\n"
    )
    brought = ["--catalogue", "t.csv", "--images", "images.npy"]
    known = ["--set", "catalogue.ignore=[radius]", "--set", "catalogue.path=none.csv"]
    chosen = ["--recipe", "plain.yaml", *known]
    assert run("generate", "pairs.zarr", *chosen, *brought) == 0
    pairs = ad.open_pairs("pairs.zarr")
    profile = {"name": "images", "source": "images.npy"}
    recipe = ad.Recipe(image_shape=8, profile=profile)
    table = ad.read_table("t.csv", ignore=["radius"])
    made = ad.simulate(recipe, catalogue=table)
    np.testing.assert_array_equal(pairs["input"], made["input"])
    # The same options go on with the store, others are told apart.
    assert run("generate", "pairs.zarr", *brought) == 0
    np.save("other.npy", pixels[::-1])
    capsys.readouterr()
    assert run("generate", "pairs.zarr", "--images", "other.npy") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "it differs in images" in line
    # The keys of images stay where only their source is another.
    Path("images.yaml").write_text(
        "profile: {name: images, source: none.npy, draw: random}\ngalaxies: 5\n"
    )
    more = ["--recipe", "images.yaml", "--images", "other.npy"]
    assert run("generate", "random.zarr", *more) == 0
    assert ad.open_pairs("random.zarr").sizes["galaxy"] == 5


def test_a_preview_shows_what_a_user_brings(capsys):
    np.save("images.npy", np.random.default_rng(2).lognormal(0, 1, (2, 8, 8)))
    Path("r.yaml").write_text("normalise: peak\n")
    brought = ["--images", "images.npy"]
    # There are fewer images than galaxies to show.
    assert run("preview", "r.yaml", "-o", "p.png", *brought) == 0
    Path("t.csv").write_text("galaxy_id,z_in\n7,0.5\n")
    assert run("preview", "r.yaml", "-o", "q.png", "--catalogue", "t.csv") == 0
    two, one = (matplotlib.image.imread(name) for name in ("p.png", "q.png"))
    assert two.shape[0] > one.shape[0]
    assert min(two.std(), one.std()) > 0.05
    assert run("generate", "pairs.zarr", *brought) == 0
    capsys.readouterr()
    for option, value in (
        ("--images", "images.npy"),
        ("--catalogue", "t.csv"),
        ("--seds", "g.nc"),
        ("--filter-names", "a,b"),
    ):
        assert run("preview", "pairs.zarr", "-o", "no.png", option, value) == 2
        assert capsys.readouterr().err == (
            f"argdask: {option}: got {value}, expected a recipe to use it with, not a "
            "store, which has its own; leave it out\n"
        )
    assert not Path("no.png").exists()
