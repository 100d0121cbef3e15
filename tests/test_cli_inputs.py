"""What users bring, from the command line: redshifts, catalogues, images."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import xarray as xr
import yaml
from astropy.io import fits
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
    # Without any choice nothing is compared, so that no file is read.
    Path("galaxies.csv").write_text("another,table\n1,2\n")
    for command in ("generate", "init"):
        assert run(command, "pairs.zarr") == 0
        assert run(command, "pairs.zarr", "--seed", "0") == 2
    Path("galaxies.csv").unlink()
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


# Every kind of input, from the command line and from Python, to one answer.


def same(store: str, made: xr.Dataset) -> None:
    """Compare a store with what Python makes of the same choices."""
    pairs = ad.open_pairs(store).compute()
    for name in ("galaxy_id", "z_in", "z_out", "sed_index", "input", "target"):
        np.testing.assert_array_equal(pairs[name], made[name], err_msg=name)


@pytest.mark.parametrize("kind", ["nc", "zarr", "npz"])
def test_a_grid_in_any_format(seds: xr.DataArray, kind: str) -> None:
    grid = seds.isel(template=slice(0, 9), filter=[0, 4, 8])
    name = f"grid.{kind}"
    if kind == "npz":
        axes = {one: grid[one].values for one in ("redshift", "filter", "wavelength")}
        np.savez(name, flux=grid.values, **axes)
    else:
        ad.write_seds(grid, name)
    assert run("generate", "pairs.zarr", "--seds", name, *setting()) == 0
    recipe = ad.Recipe(image_shape=8, galaxies=30)
    same("pairs.zarr", ad.simulate(recipe, ad.read_seds(name)))
    same("pairs.zarr", ad.simulate(recipe, grid))
    assert run("seds", "pairs.zarr", "-o", "again.nc") == 0
    np.testing.assert_array_equal(ad.read_seds("again.nc"), grid)


@pytest.mark.parametrize(
    ("kind", "igm", "cosmology"),
    [
        ("txt", "madau1995", "Planck18"),
        ("fits", "inoue2014", {"name": "FlatLambdaCDM", "H0": 70.0, "Om0": 0.3}),
        ("fits", "none", "WMAP9"),
    ],
)
def test_a_grid_from_spectra_of_ones_own(kind: str, igm: str, cosmology: Any) -> None:
    wavelength = np.geomspace(100, 50_000, 400)
    stated = {}
    for number, slope in enumerate((-2.0, -1.0)):
        table = Table({"wavelength": wavelength, "flux": wavelength**slope})
        if kind == "fits":
            table["wavelength"].unit = "Angstrom"
            table["flux"].unit = "erg / (s cm2 Angstrom)"
            table.write(f"spectrum{number}.fits")
        else:
            columns = np.column_stack([wavelength, wavelength**slope])
            np.savetxt(f"spectrum{number}.txt", columns)
            stated = {"wavelength_unit": "Angstrom", "flux_unit": "f_lambda"}
    choices = {
        "redshifts": [0.5, 2.0, 3.5],
        "filters": ["acs_wfc_f435w", "wfc3_ir_f160w"],
        "templates": {
            "files": [f"spectrum?.{kind}"],
            "steps": 2,
            "e_bv": [0.0, 0.2],
            **stated,
        },
        "igm": igm,
        "cosmology": cosmology,
    }
    Path("grid.yaml").write_text(yaml.safe_dump(choices))
    assert run("seds", "grid.yaml", "-o", "grid.nc") == 0
    assert run("generate", "pairs.zarr", "--seds", "grid.nc", *setting()) == 0
    built = ad.build_seds(ad.SedGrid(**choices))
    np.testing.assert_array_equal(ad.read_seds("grid.nc"), built)
    # Two spectra and the one between them, each with two amounts of dust.
    assert built.sizes == {"redshift": 3, "filter": 2, "template": 6}
    same("pairs.zarr", ad.simulate(ad.Recipe(image_shape=8, galaxies=30), built))


@pytest.mark.parametrize(
    ("package", "templates"),
    [
        ("desc-bpz", 8),
        pytest.param(
            *("cosmos", 31),
            marks=pytest.mark.skipif(
                find_spec("rail") is None, reason="needs the extra cosmos"
            ),
        ),
    ],
)
def test_a_grid_from_templates_of_a_package(package: str, templates: int) -> None:
    choices = {
        "redshifts": [0.2, 1.0],
        "filters": ["acs_wfc_f606w", "wfc3_ir_f160w"],
        "templates": {"package": package},
    }
    Path("grid.yaml").write_text(yaml.safe_dump(choices))
    assert run("seds", "grid.yaml", "-o", "grid.nc") == 0
    assert run("generate", "pairs.zarr", "--seds", "grid.nc", *setting()) == 0
    built = ad.build_seds(ad.SedGrid(**choices))
    assert built.sizes["template"] == templates
    same("pairs.zarr", ad.simulate(ad.Recipe(image_shape=8, galaxies=30), built))


@pytest.mark.parametrize(
    ("kind", "draw", "normalise"),
    [
        ("zarr", "once", "peak"),
        ("nc", "random", "flux"),
        ("fits", "once", "flux"),
        ("fits", "random", "peak"),
        ("npy", "random", "peak"),
    ],
)
def test_images_of_any_kind(kind: str, draw: str, normalise: str) -> None:
    pixels = np.random.default_rng(4).lognormal(0, 1, (12, 8, 7)).astype(np.float32)
    bad = np.zeros(pixels.shape, bool)
    bad[2, 3, 4] = bad[5, 1, 1] = bad[5, 0, 6] = True
    source = f"images.{kind}"
    if kind == "fits":
        Path(source).mkdir()
        for row in range(12):
            mask = fits.ImageHDU(bad[row].astype(np.int16), name="MASK")
            both = fits.HDUList([fits.PrimaryHDU(pixels[row]), mask])
            both.writeto(f"{source}/cutout{row:02d}.fits")
    else:
        spoilt = np.where(bad, np.nan, pixels)
        dataset = xr.Dataset({"science": (("image", "y", "x"), spoilt)})
        if kind == "npy":
            np.save(source, spoilt)
        elif kind == "zarr":
            dataset.to_zarr(source, consolidated=False)
        else:
            dataset.to_netcdf(source)
    chosen = ["--set", f"normalise={normalise}", "--set", f"profile.draw={draw}"]
    assert run("generate", "pairs.zarr", "--images", source, *chosen) == 0
    profile = {"name": "images", "source": source, "draw": draw}
    made = ad.simulate(ad.Recipe(profile=profile, normalise=normalise))
    same("pairs.zarr", made)
    count = bad.sum(axis=(1, 2))
    np.testing.assert_array_equal(made["invalid_pixels"], count[made["image"]])
    assert made.sizes["galaxy"] == (12 if draw == "once" else 1000)


@pytest.mark.parametrize("kind", ["csv", "ecsv", "fits", "parquet"])
def test_a_catalogue_in_any_format(kind: str) -> None:
    random = np.random.default_rng(6)
    table = Table(
        {
            "galaxy_id": random.permutation(90)[:20],
            "group": random.integers(0, 4, 20),
            "z_in": random.uniform(0.1, 1.5, 20),
            "sersic_index": random.uniform(0.5, 6, 20),
            "half_light_radius": random.uniform(0.2, 1, 20),
        }
    )
    units = {"half_light_radius": "arcsec"}
    stated = []
    if kind in ("csv", "parquet"):
        stated = ["--set", "catalogue.units.half_light_radius=arcsec"]
    if kind == "parquet":
        table.to_pandas().to_parquet("t.parquet")
    else:
        if kind != "csv":
            table["half_light_radius"].unit = "arcsec"
        table.write(f"t.{kind}")
    arguments = ["--set", "image_shape=8", "--catalogue", f"t.{kind}", *stated]
    assert run("generate", "pairs.zarr", *arguments) == 0
    recipe = ad.Recipe(image_shape=8)
    frame = ad.read_table(table.to_pandas(), units=units)
    same("pairs.zarr", ad.simulate(recipe, catalogue=frame))
    dataset = xr.Dataset.from_dataframe(table.to_pandas())
    dataset["half_light_radius"].attrs["units"] = "arcsec"
    same("pairs.zarr", ad.simulate(recipe, catalogue=dataset))
