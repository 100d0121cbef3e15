"""Every bad input: one line that names it and its cure, exit code 2, nothing left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from astropy.io import fits
from astropy.table import Table

from argdask import cli

COMMANDS = ("generate", "inspect", "verify", "recipe", "preview", "seds", "export")
COMMANDS += ("status", "finalise")


def text(content: str, name: str = "bad.yaml") -> str:
    Path(name).write_text(content)
    return name


def cut(name: str, whole: int = 2) -> str:
    content = Path(name).read_bytes()
    Path(name).write_bytes(content[: len(content) // whole])
    return name


# Files of SED grids.

GRID = {
    "flux": np.ones((3, 2, 2)),
    "redshift": np.array([0.5, 1.0, 1.5]),
    "filter": np.array(["red", "blue"]),
    "wavelength": np.array([9000.0, 5000.0]),
}


def npz(**changes: Any) -> str:
    kept = {k: v for k, v in {**GRID, **changes}.items() if v is not None}
    np.savez("grid.npz", **kept)
    return "grid.npz"


def labelled(units: str = "uJy", kind: str = "nc", **changes: Any) -> str:
    new = {**GRID, **changes}
    dims = ("redshift", "filter", "template")
    grid = xr.Dataset(
        {"flux": (new.pop("dims", dims), new.pop("flux"), {"units": units})},
        {
            "redshift": new["redshift"],
            "filter": new["filter"],
            "wavelength": ("filter", new["wavelength"]),
        },
    )
    if kind == "zarr":
        grid = grid.assign_coords(filter=[1, 2])  # names have no Zarr type in numpy
        grid.to_zarr("grid.zarr", consolidated=False)
    else:
        grid.to_netcdf("grid.nc")
    return f"grid.{kind}"


def broken_zarr() -> str:
    name = labelled(kind="zarr")
    (Path(name) / "zarr.json").write_text("{")
    return name


def empty_folder() -> str:
    Path("empty").mkdir()
    return "empty"


def smpy(change: Callable[[h5py.File], None] | None = None, **values: Any) -> str:
    """Write a small file in smpy's structure, with one thing wrong."""
    axes: dict[str, Any] = {
        "z": np.array([0.5, 1.0, 1.5]),
        "met": np.array([1.0]),
        "ages": np.array([1e9, 3e9]),
        "sfh": np.array([0]),
        "dust": np.array([0.0]),
        "fesc": np.array([1.0]),
    }
    axes |= {name: value for name, value in values.items() if name in axes}
    shape = [len(axes["z"]), 3, *(len(axes[name]) for name in list(axes)[1:])]
    fluxes = np.broadcast_to(np.asarray(values.get("flux", 1.0), np.float32), shape)
    with h5py.File("grid.hdf", "w") as file:
        file["fluxes"] = fluxes
        file["wl"] = np.array([4500.0, 6000.0, 8500.0])
        file["tau"] = np.array([[0.1, -0.2, 0.3]])
        for place, name in zip((0, 2, 3, 4, 5, 6), axes, strict=True):
            file[f"axis_{name}"] = axes[name]
            file[f"axis_{name}"].make_scale(name)
            file["fluxes"].dims[place].attach_scale(file[f"axis_{name}"])
        if change is not None:
            change(file)
    return "grid.hdf"


def shortened(file: h5py.File) -> None:
    del file["wl"]
    file["wl"] = [4500.0, 6000.0]


def negative(file: h5py.File) -> None:
    file["fluxes"][1, 0, 0, 0, 0, 0, 0] = -1


# Spectra and filter curves.

SPECTRUM = "1000 1\n9000 1\n30000 1\n"
STATED = "wavelength_unit: Angstrom, flux_unit: f_lambda"


def spectra(content: str = SPECTRUM, stated: str = STATED, **more: str) -> list[str]:
    """Write a spectrum and choices of a grid from it, and return the command."""
    text(content, "spectrum.txt")
    return built(templates=f"{{files: [spectrum.txt], {stated}}}", **more)


def built(**choices: str) -> list[str]:
    lines = {"redshifts": "[0.5, 1.0]", "filters": "[acs_wfc_f606w]", **choices}
    text("".join(f"{key}: {value}\n" for key, value in lines.items()))
    return ["seds", "bad.yaml", "-o", "bad.nc"]


def fits_spectrum(whole: bool) -> list[str]:
    Table({"a": [1.0, 2.0], "b": [1.0, 2.0]}).write("s.fits")
    if not whole:
        cut("s.fits")
    return built(templates=f"{{files: [s.fits], {STATED}}}")


def curve(content: str, stated: str = ", wavelength_unit: nm") -> list[str]:
    text(content, "curve.txt")
    return built(filters=f"[{{file: curve.txt{stated}}}]")


# Images.

PIXELS = np.ones((3, 4, 5))


def images(pixels: Any = PIXELS) -> str:
    np.save("images.npy", pixels)
    return "images.npy"


def cutouts(**others: Any) -> str:
    """Write a folder of cut-outs, with another file or mask in it."""
    Path("cutouts").mkdir()
    fits.PrimaryHDU(np.ones((4, 5))).writeto("cutouts/a.fits")
    if "pixels" in others:
        fits.PrimaryHDU(others["pixels"]).writeto("cutouts/b.fits")
    if "mask" in others:
        mask = fits.ImageHDU(others["mask"], name="MASK")
        science = fits.PrimaryHDU(np.ones((4, 5)))
        fits.HDUList([science, mask]).writeto("cutouts/b.fits")
    if "content" in others:
        text(others["content"], "cutouts/b.fits")
    return "cutouts"


def variables(*names: str) -> str:
    dims = ("image", "y", "x")
    xr.Dataset(dict.fromkeys(names, (dims, PIXELS))).to_netcdf("images.nc")
    return "images.nc"


def pictured(source: str, *more: str) -> list[str]:
    return ["--images", source, *more]


# Catalogues.


def csv(content: str, *more: str) -> list[str]:
    return ["--catalogue", text(content, "t.csv"), *more]


def table(name: str = "t.fits", damage: str = "", **columns: Any) -> list[str]:
    Table(columns).write(name)
    if damage == "cut":
        cut(name)
    elif damage:
        text(damage, name)
    return ["--catalogue", name]


def unit_of(column: str, unit: str) -> list[str]:
    return csv(f"{column}\n1\n", "--set", f"catalogue.units={{{column}: {unit}}}")


def choice(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


SEE = "see `argdask recipe`"
SEE_GRID = "see `argdask seds --choices`"
FILL = "fill it in, drop the row, or leave out the column"

# What makes the arguments, then what the line must hold: the field, the value or file,
# and the cure. Arguments without a command are those of `generate bad.zarr`.
Case = tuple[Callable[[], list[str]], str, str, str]

RECIPES: dict[str, Case] = {
    "names with commas in place of a list": (
        lambda: choice("filters=acs_wfc_f814w,wfc3_ir_f160w"),
        "filters",
        "acs_wfc_f814w,wfc3_ir_f160w",
        "write [acs_wfc_f814w,wfc3_ir_f160w]",
    ),
    "end of a filter's name": (
        lambda: choice("filters=[F814W]"),
        "filters",
        "F814W",
        "nearest: acs_wfc_f814w",
    ),
    "survey in place of keys": (
        lambda: choice("observation=candels-deep"),
        "observation",
        "candels-deep",
        "write {preset: candels-deep}",
    ),
    "survey of the target in place of keys": (
        lambda: choice("observation.target=candels-deep"),
        "observation.target",
        "candels-deep",
        "write {preset: candels-deep}",
    ),
    "width in place of a PSF": (
        lambda: choice("observation.psf=0.1"),
        "observation.psf",
        "0.1",
        "write {psf_fwhm: 0.1}",
    ),
    "file in place of a catalogue's keys": (
        lambda: choice("catalogue=t.csv"),
        "catalogue",
        "t.csv",
        "write {path: t.csv}",
    ),
    "tab": (
        lambda: ["--recipe", text("scale:\n\tmax: 3\n")],
        "recipe",
        "bad.yaml (line 2) with a tab",
        "use blanks",
    ),
    "tab after a colon": (
        lambda: ["--recipe", text("seed:\t7\n")],
        "recipe",
        "bad.yaml (line 1) with a tab",
        "use blanks",
    ),
    "preview of nothing": (
        lambda: ["preview", "nothing.zarr", "-o", "p.png"],
        "store or recipe",
        "nothing.zarr (no such file or folder)",
        "check the path",
    ),
    "unknown key": (
        lambda: choice("sead=3"),
        "sead",
        "an unknown key",
        "nearest: seed",
    ),
    "unknown key below": (
        lambda: choice("profile.sersic_indes=3"),
        "profile.sersic_indes",
        "an unknown key",
        "nearest: sersic_index",
    ),
    "wrong type": (lambda: choice("galaxies=many"), "galaxies", "many", SEE),
    "no number": (lambda: ["--galaxies", "many"], "--galaxies", "many", "valid int"),
    "no setting": (lambda: choice("seed"), "--set", "seed", "for example seed=7"),
    "key twice in a setting": (
        lambda: choice("scale={max: 1, max: 2}"),
        "--set",
        "scale={max",
        "drop one of them",
    ),
    "key twice in a file": (
        lambda: ["--recipe", text("seed: 1\nscale: 2\nseed: 3\n")],
        "recipe",
        "bad.yaml with seed twice (lines 1 and 3)",
        "drop one of them",
    ),
    "bad YAML": (
        lambda: ["--recipe", text("a: [1,\nb: 2")],
        "recipe",
        "bad.yaml",
        SEE,
    ),
    "no mapping": (lambda: ["--recipe", text("- 1\n")], "recipe", "bad.yaml", SEE),
    "no recipe": (
        lambda: ["--recipe", "no.yaml"],
        "recipe",
        "no.yaml",
        "check the path",
    ),
    "no galaxies": (lambda: ["--galaxies", "0"], "galaxies", "0", SEE),
    "negative galaxies": (lambda: ["--galaxies", "-3"], "galaxies", "-3", SEE),
    "negative seed": (lambda: ["--seed", "-1"], "seed", "-1", SEE),
    "seed beyond 64 bits": (
        lambda: ["--seed", str(2**64)],
        "seed",
        str(2**64),
        "less than 18446744073709551616",
    ),
    "image of no size": (lambda: choice("image_shape=0"), "image_shape", "0", "60 or"),
    "image of three sides": (
        lambda: choice("image_shape=[8, 8, 8]"),
        "image_shape",
        "[8, 8, 8]",
        "for example 60 or [60, 80]",
    ),
    "pixel of no size": (lambda: choice("pixel_scale=0"), "pixel_scale", "0", SEE),
    "pixel beyond all radii": (
        lambda: choice("pixel_scale=1000"),
        "pixel_scale",
        "1000",
        "give profile.half_light_radius",
    ),
    "NaN": (
        lambda: choice("brightness.magnitude=.nan"),
        "brightness.magnitude",
        "nan",
        SEE,
    ),
    "truth in place of a number": (
        lambda: choice("galaxies=yes"),
        "galaxies",
        "True",
        SEE,
    ),
    "unknown sampling": (
        lambda: choice("sampling=center"),
        "sampling",
        "center",
        SEE,
    ),
    "unknown normalisation": (
        lambda: choice("normalise=sum"),
        "normalise",
        "sum",
        SEE,
    ),
    "unknown profile": (
        lambda: choice("profile.name=disk"),
        "profile.name",
        "disk",
        SEE,
    ),
    "Sersic index out of range": (
        lambda: choice("profile.sersic_index=9"),
        "profile.sersic_index",
        "9",
        "choose another number",
    ),
    "axis ratio of zero": (
        lambda: choice("profile.axis_ratio=0"),
        "profile.axis_ratio",
        "0",
        "choose another number",
    ),
    "axis ratio above one": (
        lambda: choice(
            "profile.axis_ratio={distribution: uniform, minimum: 0.5, maximum: 2}"
        ),
        "profile.axis_ratio",
        "0.5 to 2",
        "set its minimum and maximum",
    ),
    "radius of no size": (
        lambda: choice("profile.half_light_radius=0.0001"),
        "profile.half_light_radius",
        "0.00167 pixels",
        "set its minimum, or a smaller pixel_scale",
    ),
    "radius in milliarcsec": (
        lambda: choice("profile.half_light_radius=600"),
        "profile.half_light_radius",
        "got 600 arcsec, 10000 pixels of 0.06, expected at most 100 pixels",
        "give it in arcsec, not in kpc, mas or pixels",
    ),
    "position angle of 180": (
        lambda: choice("profile.position_angle=180"),
        "profile.position_angle",
        "got 180, expected angles from 0 to below 180",
        "give 0, which is the same",
    ),
    "images beyond all memory": (
        lambda: choice("image_shape=1e9", "filters=[acs_wfc_f606w]"),
        "image_shape",
        "got 1000000000x1000000000, where a part of one galaxy is 8e+09 GB",
        "choose a smaller image_shape",
    ),
    "asymmetry of one": (
        lambda: choice("profile.asymmetry=1"),
        "profile.asymmetry",
        "1",
        "choose another number",
    ),
    "unknown distribution": (
        lambda: choice("profile.axis_ratio={distribution: gauss}"),
        "profile.axis_ratio.distribution",
        "gauss",
        "nearest: ",
    ),
    "bounds exchanged": (
        lambda: choice(
            "profile.axis_ratio={distribution: uniform, minimum: 0.9, maximum: 0.5}"
        ),
        "profile.axis_ratio.minimum",
        "0.9",
        "less than the maximum",
    ),
    "width below zero": (
        lambda: choice(
            "brightness.magnitude={distribution: normal, mean: 18, sigma: -1}"
        ),
        "brightness.magnitude.sigma",
        "-1",
        SEE,
    ),
    "unknown law of redshifts": (
        lambda: choice("redshifts.law=even"),
        "redshifts.law",
        "even",
        SEE,
    ),
    "redshift outside the grid": (
        lambda: choice("redshifts.z_in=7.5"),
        "redshifts.z_in",
        "7.5",
        "choose another",
    ),
    "continuous redshift outside the grid": (
        lambda: choice("redshifts={values: continuous, z_out: 2.5}"),
        "redshifts.z_out",
        "2.5",
        "choose another",
    ),
    "z_in above z_out": (
        lambda: choice("redshifts={z_in: 1.0, z_out: 0.5}"),
        "redshifts.z_in",
        "1.0",
        "exchange them",
    ),
    "z_in equal to z_out": (
        lambda: choice("redshifts={z_in: 1.0, z_out: 1.0}"),
        "redshifts.z_in",
        "1.0",
        "exchange them",
    ),
    "redshift of zero": (
        lambda: choice("redshifts.z_in=0"),
        "redshifts.z_in",
        "0",
        SEE,
    ),
    "negative redshift": (
        lambda: choice("redshifts.z_out=-1"),
        "redshifts.z_out",
        "-1",
        SEE,
    ),
    "no redshift above": (
        lambda: choice("redshifts.z_in=2.0"),
        "redshifts.z_in",
        "got 2, expected below 2, the grid's highest",
        "choose a lower one",
    ),
    "negative separation": (
        lambda: choice("redshifts.min_separation=-0.1"),
        "redshifts.min_separation",
        "-0.1",
        SEE,
    ),
    "separation beyond the grid": (
        lambda: choice("redshifts.min_separation=5"),
        "redshifts.min_separation",
        "got 5, expected at most the 1.9 from 0.1 to 2",
        "choose a smaller one",
    ),
    "reference redshift outside the grid": (
        lambda: choice("reference_redshift=7"),
        "reference_redshift",
        "7",
        "choose another",
    ),
    "unknown ages": (
        lambda: choice("templates.ages=young"),
        "templates.ages",
        "young",
        SEE,
    ),
    "unknown evolution": (
        lambda: choice("templates.evolution=active"),
        "templates.evolution",
        "active",
        SEE,
    ),
    "evolution of templates without ages": (
        lambda: choice("templates.evolution=passive"),
        "templates.evolution",
        "passive",
        "set it to none, or add them if they are true of the grid",
    ),
    "unknown filter": (
        lambda: choice("filters=[acs_wfc_f606]"),
        "filters",
        "acs_wfc_f606",
        "nearest: acs_wfc_f606w",
    ),
    "filter twice": (
        lambda: choice("filters=[acs_wfc_f606w, acs_wfc_f606w]"),
        "filters",
        "acs_wfc_f606w",
        "each once; correct it",
    ),
    "no filter": (lambda: choice("filters=[]"), "filters", "[]", SEE),
    "unknown law of brightness": (
        lambda: choice("brightness.law=even"),
        "brightness.law",
        "even",
        SEE,
    ),
    "unknown brightness filter": (
        lambda: choice("brightness.brightness_filter=r"),
        "brightness.brightness_filter",
        "got r,",
        "acs_wfc_f606w",
    ),
    "brightness redshift outside the grid": (
        lambda: choice("brightness.brightness_redshift=9"),
        "brightness.brightness_redshift",
        "9",
        "choose another",
    ),
    "masses for a grid without": (
        lambda: choice("brightness.law=stellar_mass"),
        "brightness.law",
        "stellar_mass",
        "use law equal or grid",
    ),
    "scale of zero": (lambda: choice("scale=0"), "scale", "0", SEE),
    "scale over no galaxies": (lambda: choice("scale.over=0"), "scale.over", "0", SEE),
    "another cosmology": (
        lambda: choice("cosmology={name: FlatLambdaCDM, H0: 50, Om0: 0.3}"),
        "cosmology",
        '"H0": 50',
        "leave it out",
    ),
    "unknown compression": (
        lambda: choice("layout.compression=zip"),
        "layout.compression",
        "zip",
        SEE,
    ),
    "part of no galaxies": (lambda: choice("layout.part=0"), "layout.part", "0", SEE),
    "part that no memory holds": (
        lambda: choice("layout.part=100000000000"),
        "layout.part",
        "100000000000",
        "less than or equal to 1048576; see `argdask recipe`",
    ),
    "part that chunk does not divide": (
        lambda: choice("layout={part: 10, chunk: 4}"),
        "layout.part",
        "10",
        "choose powers of two",
    ),
}

GRIDS: dict[str, Case] = {
    "no file": (
        lambda: ["--seds", "no.hdf"],
        "seds",
        "no.hdf",
        "give a file of netCDF, Zarr",
    ),
    "empty folder": (
        lambda: ["--seds", empty_folder()],
        "seds",
        "empty",
        "give a file of netCDF, Zarr",
    ),
    "text": (
        lambda: ["--seds", text("z flux\n1 2\n", "grid.txt")],
        "seds",
        "grid.txt (not HDF5, netCDF",
        "or one that smpy wrote",
    ),
    "smpy without a variable": (
        lambda: ["--seds", smpy(lambda file: file.pop("tau"))],
        "seds",
        "grid.hdf with no tau",
        "give a file that smpy wrote",
    ),
    "smpy cut short": (
        lambda: ["--seds", cut(smpy())],
        "seds",
        "grid.hdf (truncated or damaged)",
        "copy it again",
    ),
    "smpy of other shapes": (
        lambda: ["--seds", smpy(shortened)],
        "seds",
        "'wl' of shape (2,)",
        "copy it again",
    ),
    "smpy with one redshift": (
        lambda: ["--seds", smpy(z=np.array([1.0]))],
        "seds",
        "'redshift': 1",
        "give a larger grid",
    ),
    "smpy with a redshift of zero": (
        lambda: ["--seds", smpy(z=np.array([0.0, 1.0]))],
        "seds.redshift",
        "0.0",
        "drop this one",
    ),
    "smpy with a negative flux": (
        lambda: ["--seds", smpy(negative)],
        "seds",
        "-1.0 at z = 1.0",
        "set it to 0",
    ),
    "smpy without a valid template": (
        lambda: ["--seds", smpy(flux=0.0)],
        "seds",
        "no valid template",
        "look at its fluxes and mask",
    ),
    "no template young enough": (
        lambda: ["--seds", smpy(ages=np.array([12.9e9, 13e9]))],
        "templates",
        "2 templates",
        "set templates.ages to all",
    ),
    "smpy and evolution": (
        lambda: ["--seds", smpy(), "--set", "templates.evolution=passive"],
        "templates.evolution",
        "stretched to the age of its template",
        "use a grid of single bursts or other histories in yr",
    ),
    "too few names": (
        lambda: ["--seds", smpy(), "--filter-names", "u,g"],
        "filters",
        "['u', 'g']",
        "name every filter in the file",
    ),
    "names without a file": (
        lambda: ["--filter-names", "u,g"],
        "--filter-names",
        "u,g",
        "add --seds",
    ),
    "npz without fluxes": (
        lambda: ["--seds", npz(flux=None)],
        "seds",
        "grid.npz",
        "save them as flux",
    ),
    "npz with too few redshifts": (
        lambda: ["--seds", npz(redshift=np.array([0.5, 1.0]))],
        "seds",
        "redshift",
        "save as many as flux has",
    ),
    "npz with two axes": (
        lambda: ["--seds", npz(flux=np.ones((3, 2)))],
        "seds",
        "(3, 2)",
        "save them as flux, in this order",
    ),
    "npz without redshifts": (
        lambda: ["--seds", npz(redshift=None)],
        "seds.redshift",
        "grid.npz without redshift",
        "save redshift beside flux in .npz",
    ),
    "npz with objects": (
        lambda: ["--seds", npz(flux=np.array([None]))],
        "seds",
        "grid.npz",
        "copy it again",
    ),
    "npz of complex numbers": (
        lambda: ["--seds", npz(flux=GRID["flux"] * 1j)],
        "seds",
        "complex128",
        "convert it",
    ),
    "npz with the wrong number of names": (
        lambda: ["--seds", npz(), "--filter-names", "a,b,c"],
        "filters",
        "['a', 'b', 'c']",
        "name",
    ),
    "npz with filters of unknown wavelengths": (
        lambda: ["--seds", npz(wavelength=None)],
        "seds.wavelength",
        "none for red",
        "wavelength",
    ),
    "npz cut short": (
        lambda: ["--seds", (npz(), cut("grid.npz"))[1]],
        "seds",
        "grid.npz (truncated or damaged)",
        "copy it again",
    ),
    "npy without labels": (
        lambda: ["--seds", (np.save("g.npy", GRID["flux"]), "g.npy")[1]],
        "seds.redshift",
        "g.npy without redshift",
        "save redshift beside flux in .npz",
    ),
    "netCDF in magnitudes": (
        lambda: ["--seds", labelled("mag")],
        "seds.units",
        "mag",
        "convert the fluxes to uJy",
    ),
    "netCDF with a redshift twice": (
        lambda: ["--seds", labelled(redshift=np.array([0.5, 1.0, 1.0]))],
        "seds.redshift",
        "1.0",
        "drop",
    ),
    "netCDF with a filter twice": (
        lambda: ["--seds", labelled(filter=np.array(["red", "red"]))],
        "seds.filter",
        "red",
        "drop",
    ),
    "netCDF with a negative wavelength": (
        lambda: ["--seds", labelled(wavelength=np.array([9000.0, -1.0]))],
        "seds.wavelength",
        "-1 of filter blue",
        "in Angstrom",
    ),
    "netCDF of NaN": (
        lambda: ["--seds", labelled(flux=np.full((3, 2, 2), np.nan))],
        "seds",
        "no valid template",
        "look at its fluxes and mask",
    ),
    "netCDF with other dims": (
        lambda: ["--seds", labelled(dims=("redshift", "filter", "m"))],
        "seds",
        "grid.nc",
        "rename the dims",
    ),
    "netCDF cut short": (
        lambda: ["--seds", cut(labelled())],
        "seds",
        "grid.nc (truncated or damaged)",
        "copy it again",
    ),
    "Zarr that is damaged": (
        lambda: ["--seds", broken_zarr()],
        "seds",
        "grid.zarr",
        "copy it again",
    ),
}

CURVES: dict[str, Case] = {
    "spectrum that is not there": (
        lambda: built(templates=f"{{files: [no.txt], {STATED}}}"),
        "templates",
        "no.txt",
        "check",
    ),
    "pattern without files": (
        lambda: built(templates=f"{{files: ['no*.txt'], {STATED}}}"),
        "templates.files",
        "no*.txt",
        "check the pattern",
    ),
    "spectrum without a wavelength unit": (
        lambda: spectra(stated="flux_unit: f_nu"),
        "templates.wavelength_unit",
        "none for spectrum.txt",
        "state it",
    ),
    "spectrum without a flux unit": (
        lambda: spectra(stated="wavelength_unit: nm"),
        "templates.flux_unit",
        "none for spectrum.txt",
        "state it",
    ),
    "unknown wavelength unit": (
        lambda: spectra(stated="wavelength_unit: inch, flux_unit: f_nu"),
        "templates.0.wavelength_unit",
        "inch",
        SEE_GRID,
    ),
    "fluxes in metres": (
        lambda: spectra(stated="wavelength_unit: nm, flux_unit: m"),
        "templates.flux_unit",
        "got m,",
        "spectrum.txt",
    ),
    "spectrum with words": (
        lambda: spectra("1000 1\n2000 bright\n"),
        "templates",
        "spectrum.txt, line 2",
        "correct or drop this row",
    ),
    "spectrum with NaN": (
        lambda: spectra("1000 1\n2000 nan\n"),
        "templates",
        "spectrum.txt, line 2",
        "drop this row",
    ),
    "spectrum of one row": (
        lambda: spectra("1000 1\n"),
        "templates",
        "spectrum.txt (1 rows",
        "check the file",
    ),
    "spectrum with negative light": (
        lambda: spectra("1000 -1\n5400 -1\n5500 1\n30000 1\n"),
        "seds",
        "at z = 0.5, acs_wfc_f606w, template 0",
        "set it to 0",
    ),
    "FITS spectrum cut short": (
        lambda: fits_spectrum(whole=False),
        "templates",
        "s.fits",
        "check it",
    ),
    "FITS spectrum without columns": (
        lambda: fits_spectrum(whole=True),
        "templates",
        "s.fits with columns a, b",
        "name them: wavelength_column, flux_column",
    ),
    "template that misses a filter": (
        lambda: spectra("3000 1\n5000 1\n", normalise="{wavelength: 4000}"),
        "filters",
        "acs_wfc_f606w (0% of cells covered)",
        "choose templates or redshifts that reach it",
    ),
    "no light where it is normalised": (
        lambda: spectra("1000 1\n5000 1\n", normalise="{wavelength: 8000}"),
        "normalise.wavelength",
        "8000",
        "choose",
    ),
    "template that the package does not have": (
        lambda: built(templates="{package: desc-bpz, names: [Sa]}"),
        "templates",
        "Sa",
        "nearest",
    ),
    "unknown package": (
        lambda: built(templates="{package: bpz}"),
        "templates.0.package",
        "bpz",
        SEE_GRID,
    ),
    "both package and files": (
        lambda: built(templates="{package: desc-bpz, files: [a.txt]}"),
        "templates.0",
        "both",
        "give one",
    ),
    "no steps": (
        lambda: built(templates="{package: desc-bpz, steps: 0}"),
        "templates.0.steps",
        "0",
        SEE_GRID,
    ),
    "negative dust": (
        lambda: built(templates="{package: desc-bpz, e_bv: [-0.1]}"),
        "templates.0.e_bv",
        "-0.1",
        SEE_GRID,
    ),
    "dust of no template": (
        lambda: built(templates="{package: desc-bpz, e_bv_of: {Sa: [0.1]}}"),
        "templates.0.e_bv_of",
        "Sa",
        "correct the name",
    ),
    "filter that is not known": (
        lambda: built(filters="[acs_wfc_f6066w]"),
        "filters",
        "acs_wfc_f6066w",
        "nearest: acs_wfc_f606w",
    ),
    "the same filter twice": (
        lambda: built(filters="[acs_wfc_f606w, acs_wfc_f606w]"),
        "filters",
        "acs_wfc_f606w",
        "drop or rename one",
    ),
    "curve without a unit": (
        lambda: curve("700 1\n800 1\n", stated=""),
        "filters.0.wavelength_unit",
        "none for curve.txt",
        "state it",
    ),
    "curve below zero": (
        lambda: curve("700 1\n800 -1\n"),
        "filters",
        "curve.txt",
        "set noise below zero to 0",
    ),
    "curve that lets nothing through": (
        lambda: curve("700 0\n800 0\n"),
        "filters",
        "curve.txt",
        "look at its second column",
    ),
    "curve that is not there": (
        lambda: built(filters="[{file: no.txt, wavelength_unit: nm}]"),
        "filters",
        "no.txt",
        "check",
    ),
    "unknown absorption": (lambda: built(igm="madau"), "igm", "madau", SEE_GRID),
    "unknown cosmology": (
        lambda: built(cosmology="Planck17"),
        "cosmology",
        "Planck17",
        "nearest",
    ),
    "cosmology with a word": (
        lambda: built(cosmology="{name: FlatLambdaCDM, H0: fast, Om0: 0.3}"),
        "cosmology",
        "fast",
        "write for instance",
    ),
    "grid redshifts exchanged": (
        lambda: built(redshifts="{first: 2, last: 1, number: 5}"),
        "redshifts.first",
        "2",
        "exchange them",
    ),
    "grid redshift twice": (
        lambda: built(redshifts="[1.0, 1.0]"),
        "redshifts",
        "(1.0, 1.0)",
        "correct it",
    ),
    "grid redshift of zero": (
        lambda: built(redshifts="[0.0, 1.0]"),
        "redshifts",
        "0.0",
        SEE_GRID,
    ),
    "unknown key of a grid": (
        lambda: built(filter="[acs_wfc_f606w]"),
        "filter",
        "an unknown key",
        "nearest: filters",
    ),
    "key of a grid twice": (
        lambda: ["seds", text("igm: none\nigm: none\n"), "-o", "bad.nc"],
        "seds",
        "bad.yaml with igm twice (lines 1 and 2)",
        "drop one of them",
    ),
    "masses of normalised templates": (
        lambda: built(per_solar_mass="true"),
        "per_solar_mass",
        "True",
        "set normalise to null",
    ),
    "grid file that is there": (
        lambda: ["seds", labelled(), "-o", "grid.nc"],
        "seds file",
        "grid.nc",
        "choose another name",
    ),
    "grid file of another kind": (
        lambda: ["seds", labelled(), "-o", "bad.csv"],
        "seds file",
        "bad.csv",
        "choose one of them",
    ),
    "grid file in no folder": (
        lambda: ["seds", labelled(), "-o", "none/bad.nc"],
        "seds file",
        "none/bad.nc",
        "check the path",
    ),
}

IMAGES: dict[str, Case] = {
    "no file": (lambda: pictured("no.npy"), "images", "no.npy", "check the path"),
    "empty folder": (
        lambda: pictured(empty_folder()),
        "images",
        "(no FITS files)",
        "check it",
    ),
    "text": (
        lambda: pictured(text("1 2\n", "images.txt")),
        "images",
        "images.txt",
        "convert it",
    ),
    "archive": (
        lambda: pictured((np.savez("i.npz", a=PIXELS), "i.npz")[1]),
        "images",
        "i.npz",
        "save the one array with numpy.save",
    ),
    "one FITS file": (
        lambda: pictured(f"{cutouts()}/a.fits"),
        "images",
        "a.fits",
        "give their folder",
    ),
    "one image": (
        lambda: pictured(images(np.ones((4, 5)))),
        "images",
        "(4, 5)",
        "stack the images along a first axis",
    ),
    "cube of several bands": (
        lambda: pictured(images(np.ones((3, 4, 5, 2)))),
        "images",
        "(3, 4, 5, 2)",
        "give one band of each galaxy",
    ),
    "complex pixels": (
        lambda: pictured(images(PIXELS * 1j)),
        "images",
        "complex128",
        "convert them to float32",
    ),
    "no image in it": (
        lambda: pictured(images(np.ones((0, 4, 5)))),
        "images",
        "(0, 4, 5)",
        "add some",
    ),
    "npy cut short": (
        lambda: pictured(cut(images())),
        "images",
        "images.npy",
        "copy it again or make it anew",
    ),
    "netCDF cut short": (
        lambda: pictured(cut(variables("a"))),
        "images",
        "images.nc",
        "copy it again or make it anew",
    ),
    "Zarr that is damaged": (
        lambda: pictured(broken_zarr()),
        "images",
        "grid.zarr",
        "copy it again or make it anew",
    ),
    "several variables": (
        lambda: pictured(variables("a", "b")),
        "images.variable",
        "images.nc with 2 of them",
        "name one of a, b",
    ),
    "variable that is not there": (
        lambda: pictured(variables("science"), *choice("profile.variable=sience")),
        "images.variable",
        "sience",
        "nearest: science",
    ),
    "variable of a file without": (
        lambda: pictured(images(), *choice("profile.variable=a")),
        "images.variable",
        "got a,",
        "leave it out",
    ),
    "unreadable FITS": (
        lambda: pictured(cutouts(content="SIMPLE")),
        "images",
        "b.fits",
        "copy it again or make it anew",
    ),
    "FITS of another shape": (
        lambda: pictured(cutouts(pixels=np.ones((5, 5)))),
        "images",
        "b.fits of shape (5, 5)",
        "cut all images to one size",
    ),
    "FITS cube": (
        lambda: pictured(cutouts(pixels=np.ones((2, 4, 5)))),
        "images",
        "b.fits of shape (2, 4, 5)",
        "give one band of each galaxy",
    ),
    "mask of another shape": (
        lambda: pictured(cutouts(mask=np.ones((5, 5), np.int16))),
        "images",
        "b.fits[MASK] of shape (5, 5)",
        "cut mask and image alike",
    ),
    "image without a valid pixel": (
        lambda: pictured(images(PIXELS * [[[1.0]], [[np.nan]], [[1.0]]])),
        "images",
        "image 1",
        "look at its mask",
    ),
    "image that is all masked": (
        lambda: pictured(cutouts(mask=np.ones((4, 5), np.int16))),
        "images",
        "image b.fits",
        "look at its mask",
    ),
    "image without light": (
        lambda: pictured(images(PIXELS * 0)),
        "images",
        "image 0 with a sum of 0",
        "subtract its background",
    ),
    "image below zero": (
        lambda: pictured(images(-PIXELS), *choice("normalise=peak")),
        "images",
        "image 0 with a brightest pixel of -1",
        "subtract its background",
    ),
    "fewer images than galaxies": (
        lambda: pictured(images(), "--galaxies", "4"),
        "galaxies",
        "4",
        "set profile.draw to random",
    ),
    "pixels of no size": (
        lambda: pictured(images(), *choice("angular_size=true")),
        "profile.pixel_scale",
        "nothing",
        "give it, or pixel_scale",
    ),
    "images of no redshift": (
        lambda: pictured(images(), *choice("pixel_scale=0.1", "angular_size=true")),
        "profile.image_redshift",
        "nothing",
        "leave out angular_size",
    ),
    "images from further away": (
        lambda: pictured(
            images(),
            *choice("pixel_scale=0.1", "angular_size=true"),
            *choice("profile.image_redshift=0.7"),
        ),
        "profile.image_redshift",
        "0.7",
        "give redshifts.z_in",
    ),
    "telescope that is sharper than images": (
        lambda: pictured(
            images(),
            *choice("pixel_scale=0.1", "profile.psf.psf_fwhm=0.3"),
            *choice("observation.psf.psf_fwhm=0.2"),
        ),
        "observation.psf",
        "a FWHM of 0.2 arcsec for an image of 0.3",
        "give a wider one",
    ),
    "negative redshift of images": (
        lambda: pictured(images(), *choice("profile.image_redshift=-1")),
        "profile.image_redshift",
        "-1",
        SEE,
    ),
    "redshift of images that is infinite": (
        lambda: pictured(images(), *choice("profile.image_redshift=.inf")),
        "profile.image_redshift",
        "inf",
        SEE,
    ),
    "unknown way to draw": (
        lambda: pictured(images(), *choice("profile.draw=twice")),
        "profile.draw",
        "twice",
        SEE,
    ),
    "no source": (
        lambda: choice("profile.name=images"),
        "profile.source",
        "nothing",
        SEE,
    ),
    "key of another profile": (
        lambda: pictured(images(), *choice("profile.sersic_index=4")),
        "profile.sersic_index",
        "an unknown key",
        "nearest",
    ),
    "images beside a store": (
        lambda: ["preview", ".", "-o", "bad.png", "--images", "a.npy"],
        "--images",
        "a.npy",
        "leave it out",
    ),
}

CATALOGUES: dict[str, Case] = {
    "no file": (
        lambda: ["--catalogue", "no.csv"],
        "catalogue",
        "no.csv (no such file)",
        "check the path",
    ),
    "no path": (lambda: choice("catalogue={}"), "catalogue.path", "nothing", SEE),
    "path of no letters": (
        lambda: ["--catalogue", ""],
        "catalogue.path",
        "nothing",
        "a text that is not empty; see `argdask recipe`",
    ),
    "units that are no mapping": (
        lambda: choice("catalogue={path: t.csv, units: arcsec}"),
        "catalogue.units",
        "arcsec",
        "keys with values; see `argdask recipe`",
    ),
    "folder": (
        lambda: ["--catalogue", empty_folder()],
        "catalogue",
        "empty (a folder)",
        "check the path",
    ),
    "file of another kind": (
        lambda: ["--catalogue", text("z_in\n1\n", "t.dat")],
        "catalogue",
        "t.dat",
        "convert it",
    ),
    "empty file": (lambda: csv(""), "catalogue", "t.csv", "look at the file"),
    "no rows": (lambda: csv("z_in\n"), "catalogue", "no rows", "add some"),
    "rows of other lengths": (
        lambda: csv("z_in,z_out\n0.5,1\n0.5,1,2\n"),
        "catalogue",
        "t.csv",
        "look at the file",
    ),
    "unreadable FITS": (
        lambda: table(damage="SIMPLE", z_in=[0.5]),
        "catalogue",
        "t.fits",
        "look at the file",
    ),
    "FITS cut short": (
        lambda: table(damage="cut", z_in=np.full(4000, 0.5)),
        "catalogue",
        "t.fits",
        "look at the file",
    ),
    "ECSV without a header": (
        lambda: ["--catalogue", text("z_in\n0.5\n", "t.ecsv")],
        "catalogue",
        "t.ecsv",
        "look at the file",
    ),
    "unreadable Parquet": (
        lambda: ["--catalogue", text("PAR1", "t.parquet")],
        "catalogue",
        "t.parquet",
        "look at the file",
    ),
    "unknown column": (
        lambda: csv("sersic_indx\n1\n"),
        "catalogue",
        "sersic_indx",
        "nearest: sersic_index",
    ),
    "unknown columns": (
        lambda: csv("ra,dec,z_in\n1,2,0.5\n", *choice("catalogue.ignore=[x]")),
        "catalogue",
        "ra, dec",
        '; --set "catalogue.ignore=[x,ra,dec]"',
    ),
    "CSV with semicolons": (
        lambda: csv("z_in;z_out\n0.5;1\n"),
        "catalogue",
        "(separated by ;?)",
        "write commas",
    ),
    "column twice": (
        lambda: csv("z_in,z_in\n1,1\n"),
        "catalogue.z_in",
        "two of them",
        "rename or drop one of the two",
    ),
    "no unit": (
        lambda: csv("half_light_radius\n1\n"),
        "catalogue.half_light_radius",
        "no unit",
        "in units, as {half_light_radius: arcsec}",
    ),
    "another unit": (
        lambda: unit_of("half_light_radius", "kpc"),
        "catalogue.half_light_radius",
        "unit kpc",
        "convert the column",
    ),
    "unknown unit": (
        lambda: unit_of("half_light_radius", "arcsex"),
        "catalogue.half_light_radius",
        "unit arcsex",
        "write it as astropy does",
    ),
    "size in pixels": (
        lambda: unit_of("half_light_radius", "pix"),
        "catalogue.half_light_radius",
        "unit pix",
        "with the size of a pixel",
    ),
    "unit of no column": (
        lambda: csv("z_in\n1\n", *choice("catalogue.units.z_ni=Mpc")),
        "units",
        "z_ni",
        "nearest: z_in",
    ),
    "NaN": (lambda: csv("z_in\n0.5\nnan\n"), "catalogue.z_in, row 1", "nan", FILL),
    "missing value": (
        lambda: csv("z_in,z_out\n0.5,1\n0.4,\n"),
        "catalogue.z_out, row 1",
        "nothing",
        FILL,
    ),
    "word in place of a number": (
        lambda: csv("z_in\nhalf\n"),
        "catalogue.z_in, row 0",
        "half",
        FILL,
    ),
    "negative id": (
        lambda: csv("galaxy_id\n3\n-3\n"),
        "catalogue.galaxy_id, row 1",
        "-3",
        "correct it, or drop the row",
    ),
    "id twice": (
        lambda: csv("galaxy_id\n3\n4\n3\n"),
        "catalogue.galaxy_id, row 2",
        "3",
        "drop one of the two",
    ),
    "broken id": (
        lambda: csv("galaxy_id\n1.5\n"),
        "catalogue.galaxy_id, row 0",
        "1.5",
        "number the galaxies with integers",
    ),
    "z_out below z_in": (
        lambda: csv("z_in,z_out\n1,0.5\n"),
        "catalogue.z_out, row 0",
        "0.5",
        "exchange them",
    ),
    "redshift beyond the grid": (
        lambda: csv("z_in\n0.5\n3\n"),
        "catalogue.z_in, row 1",
        "3.0",
        "make a grid with a wider range",
    ),
    "no redshift above": (
        lambda: csv("z_in\n2.0\n"),
        "catalogue.z_in, row 0",
        "z_in 2",
        "give both, drop the row",
    ),
    "SED index out of range": (
        lambda: csv("sed_index\n9999\n"),
        "catalogue.sed_index, row 0",
        "9999",
        "correct it",
    ),
    "negative SED index": (
        lambda: csv("sed_index\n-1\n"),
        "catalogue.sed_index, row 0",
        "-1",
        "correct it",
    ),
    "template that the grid does not have": (
        lambda: csv("template_name\nSbd\n"),
        "catalogue.template_name, row 0",
        "Sbd",
        "nearest: Scd, Sbc",
    ),
    "template that could be several": (
        lambda: csv("template_name\nIm\n"),
        "catalogue.template_name, row 0",
        "Im",
        "add the column template_e_bv",
    ),
    "parameter that the grid does not have": (
        lambda: csv("template_age\n1\n"),
        "catalogue",
        "template_age",
        "nearest",
    ),
    "index and name": (
        lambda: csv("sed_index,template_name\n1,Im\n"),
        "catalogue.template_name",
        "both",
        "leave one of the two out",
    ),
    "axis ratio below its range": (
        lambda: csv("axis_ratio\n0.05\n"),
        "catalogue.axis_ratio, row 0",
        "0.05",
        "correct it",
    ),
    "magnitude that stands for missing": (
        lambda: csv("magnitude\n21\n-99\n"),
        "catalogue.magnitude, row 1",
        "-99",
        "stand for missing in many catalogues: drop the row",
    ),
    "radius of no size": (
        lambda: csv(
            "half_light_radius\n1e-5\n",
            *choice("catalogue.units.half_light_radius=arcsec"),
        ),
        "catalogue.half_light_radius, row 0",
        "1e-05",
        "choose a smaller pixel_scale",
    ),
    "magnitudes without a use": (
        lambda: csv("magnitude\n20\n", *choice("brightness.law=grid")),
        "catalogue.magnitude",
        "brightness.law grid",
        '--set "catalogue.ignore=[magnitude]"',
    ),
    "masses without a use": (
        lambda: unit_of("stellar_mass", "solMass"),
        "catalogue.stellar_mass",
        "brightness.law equal",
        '--set "catalogue.ignore=[stellar_mass]"',
    ),
    "images without images": (
        lambda: csv("image\n0\n"),
        "catalogue.image",
        "profile sersic",
        '--set "catalogue.ignore=[image]"',
    ),
    "redshifts of no images": (
        lambda: csv("image_redshift\n0.1\n"),
        "catalogue.image_redshift",
        "profile sersic",
        '--set "catalogue.ignore=[image_redshift]"',
    ),
    "negative redshift of an image": (
        lambda: csv("image_redshift\n-0.1\n", *pictured(images())),
        "catalogue.image_redshift, row 0",
        "-0.1",
        "correct it, or drop the row",
    ),
    "number of no image": (
        lambda: csv("image\n0\n3\n", *pictured(images())),
        "catalogue.image, row 1",
        "3",
        "drop the row",
    ),
    "name of no image": (
        lambda: csv("image\nb.fits\n", *pictured(cutouts())),
        "image",
        "b.fits",
        "nearest: a.fits",
    ),
    "more rows than images": (
        lambda: csv("z_in\n0.1\n0.1\n0.1\n0.1\n", *pictured(images())),
        "catalogue.image, row 3",
        "0 to 2, the images of images.npy",
        "drop the row",
    ),
    "column of another profile": (
        lambda: csv("axis_ratio\n0.5\n", *pictured(images())),
        "catalogue.axis_ratio",
        "profile images",
        '--set "catalogue.ignore=[axis_ratio]"',
    ),
    "more galaxies than rows": (
        lambda: csv("z_in\n0.5\n", "--galaxies", "2"),
        "galaxies",
        "2",
        "leave it out, or add rows",
    ),
}

PLACES: dict[str, Case] = {
    "status of nothing": (
        lambda: ["status", "nope.zarr"],
        "store",
        "nope.zarr (no such folder)",
        "check the path",
    ),
    "verification of nothing": (
        lambda: ["verify", "nope.zarr"],
        "store",
        "nope.zarr (no such folder)",
        "check the path",
    ),
    "end of nothing": (
        lambda: ["finalise", "nope.zarr"],
        "store",
        "nope.zarr (no such folder)",
        "`argdask init` makes one",
    ),
    "status of a file": (
        lambda: ["status", text("mine")],
        "store",
        "bad.yaml (a file)",
        "check the path",
    ),
    "cluster of no kind": (
        lambda: ["--cluster", "moon"],
        "cluster",
        "moon",
        "an address is like tcp://",
    ),
    "no jobs": (lambda: ["--jobs", "0"], "--jobs", "0", "x>=1"),
    "unknown option": (lambda: ["--galaxy", "3"], "--galaxy", "No", "Did you mean"),
    "folder that is not there": (
        lambda: ["generate", "none/bad.zarr"],
        "store",
        "none/bad.zarr",
        "or choose another path",
    ),
    "name that is too long": (
        lambda: ["generate", "x" * 191],
        "store",
        "x" * 50,
        "choose a shorter one",
    ),
    "place inside a file": (
        lambda: ["generate", text("mine") + "/bad.zarr"],
        "store",
        "bad.yaml/bad.zarr",
        "or choose another path",
    ),
    "the root of all folders": (
        lambda: ["generate", "/", "--galaxies", "3"],
        "store",
        "got /",
        "add one, /pairs.zarr",
    ),
    "no name": (lambda: ["generate", ""], "store", "got nothing", "give its name"),
    "names of filters that a shell's variable did not have": (
        lambda: ["--seds", "none.nc", "--filter-names", ""],
        "--filter-names",
        "got nothing",
        "or leave it out",
    ),
    "folder of others": (
        lambda: ["generate", empty_folder()],
        "store",
        "empty",
        "check the path",
    ),
    "too little space": (
        lambda: ["--galaxies", "100000000000", "--set", "scale=1"],
        "store",
        "bad.zarr",
        "choose fewer galaxies, fewer filters or another disk",
    ),
}

KINDS = {
    "recipe": RECIPES,
    "seds": GRIDS,
    "curves": CURVES,
    "images": IMAGES,
    "catalogue": CATALOGUES,
    "place": PLACES,
}
CASES = {
    f"{kind}: {name}": case
    for kind, some in KINDS.items()
    for name, case in some.items()
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_told_in_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    make, field, value, cure = CASES[case]
    words = make()
    if words[0] not in COMMANDS:
        words = ["generate", "bad.zarr", *words]
    before = sorted(tmp_path.rglob("*"))
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    told = capsys.readouterr()
    assert ended.value.code == 2, told.err
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line.startswith(f"argdask: {field}" if field[0] != "-" else "argdask: ")
    for part in (field, value, cure):
        assert part in line, f"{part!r} is not in {line!r}"
    assert sorted(tmp_path.rglob("*")) == before
