"""What users bring, from the command line: redshifts, catalogues, images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
