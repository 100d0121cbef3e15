"""The command line: each command end to end, and every bad input in one line."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import argdask as ad
from argdask import cli
from argdask.store.work import read_attributes

COMMAND = Path(sys.executable).with_name("argdask")
COMMANDS = ("generate", "inspect", "verify", "recipe", "preview")
SMALL = ("--set", "image_shape=8", "--set", "layout.part=8")


def run(*arguments: str) -> int:
    """Run a command in this process and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    return int(str(ended.value.code))


def test_the_installed_command_is_this_one() -> None:
    ran = subprocess.run([COMMAND, "--version"], capture_output=True, text=True)
    assert ran.returncode == 0
    assert re.fullmatch(r"argdask, version \d+\.\d+\.\d+\n", ran.stdout)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for flag in ("-h", "--help"):
        assert run(command, flag) == 0
        text = capsys.readouterr().out
        assert text.startswith(f"Usage: argdask {command} ")
        examples = text.partition("Examples:\n")[2].splitlines()
        assert examples
        assert all(line.startswith(f"    argdask {command}") for line in examples)


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_group_names_its_commands_and_exit_codes(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(*arguments) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {command} " in text for command in COMMANDS)
    assert "0 complete, 1 verification failed, 2 bad input, 3 incomplete" in text


@pytest.mark.parametrize("arguments", [["--help"], ["generate", "--help"], ["recipe"]])
def test_help_answers_without_the_slow_packages(arguments: list[str]) -> None:
    script = (
        "import sys, time\n"
        "began = time.process_time()\n"
        "from argdask.cli import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "except SystemExit as ended:\n"
        "    assert ended.code == 0, ended.code\n"
        "slow = {'dask', 'distributed', 'zarr', 'h5py', 'matplotlib', 'netCDF4'}\n"
        "slow |= {'xarray', 'numba', 'astropy'} if '--help' in sys.argv else set()\n"
        "assert not slow & set(sys.modules), slow & set(sys.modules)\n"
        "print(time.process_time() - began, file=sys.stderr)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    # Processor time, so that a busy machine does not count. DESIGN 3: under a second.
    assert float(ran.stderr) < 1.0


def test_a_store_is_generated_inspected_verified_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("generate", "pairs.zarr", "--galaxies", "20", "--seed", "7", *SMALL) == 0
    made = capsys.readouterr()
    assert made.out.startswith(f"20 pairs of 8x8 pixels in {tmp_path / 'pairs.zarr'} (")
    assert "; 20 made now).\n" in made.out
    assert made.err.splitlines() == [
        "0 of 20 galaxies",
        "8 of 20 galaxies",
        "16 of 20 galaxies",
        "20 of 20 galaxies",
    ]
    plan = json.loads(read_attributes(Path("pairs.zarr"))["plan"])
    assert plan["recipe"]["seed"] == 7

    # The three lines of Python that it printed really open it.
    lines = [line for line in made.out.splitlines() if line.startswith("    ")]
    assert len(lines) == 3
    program = "\n".join(line.strip() for line in lines)
    ran = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            f"found = 0\n{program}\nprint(pairs.sizes)",
        ],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert "'galaxy': 20" in ran.stdout

    # The same command again, and the one without choices, find it complete.
    assert run("generate", "pairs.zarr", "--galaxies", "20", "--seed", "7", *SMALL) == 0
    assert "it was complete" in capsys.readouterr().out
    assert run("generate", "pairs.zarr") == 0
    assert "it was complete" in capsys.readouterr().out

    assert run("inspect", "pairs.zarr") == 0
    assert "pairs.zarr: 20 pairs, complete" in capsys.readouterr().out
    assert run("inspect", "pairs.zarr", "--json") == 0
    assert json.loads(capsys.readouterr().out)["galaxies"] == 20
    assert run("verify", "pairs.zarr", "--sample", "3") == 0
    assert "3 galaxies, bit for bit" in capsys.readouterr().out
    assert run("preview", "pairs.zarr", "-o", "p.png", "--galaxies", "2") == 0
    assert capsys.readouterr().out == "wrote p.png\n"
    assert Path("p.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {"pairs.zarr", "p.png"}


def test_a_recipe_is_written_changed_and_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("recipe") == 0
    Path("printed.yaml").write_text(capsys.readouterr().out)
    assert ad.Recipe.from_yaml("printed.yaml") == ad.Recipe()
    assert run("recipe", "train.yaml", "--set", "galaxies=12", *SMALL) == 0
    assert "argdask generate pairs.zarr --recipe train.yaml" in capsys.readouterr().out
    assert ad.Recipe.from_yaml("train.yaml").galaxies == 12
    # Settings go over the file, and options over settings.
    arguments = ["--recipe", "train.yaml", "--set", "galaxies=11", "--galaxies", "10"]
    assert run("generate", "pairs.zarr", *arguments) == 0
    assert ad.open_pairs("pairs.zarr").sizes["galaxy"] == 10
    assert run("preview", "train.yaml", "-o", "p.pdf", "--galaxies", "1") == 0
    assert Path("p.pdf").read_bytes().startswith(b"%PDF")
    assert run("recipe", "train.yaml") == 2
    assert "a new file (File exists); choose another name" in capsys.readouterr().err


def test_a_real_smpy_grid_makes_a_store(
    smpy_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--seds", str(smpy_file), "--galaxies", "10", *SMALL]
    assert run("generate", "pairs.zarr", *arguments) == 0
    assert ad.verify("pairs.zarr").passed
    pairs = ad.open_pairs("pairs.zarr")
    assert pairs.sizes["filter"] == 17
    assert "age" in pairs.coords
    # It goes on with the grid that is in it, given again or not.
    assert run("generate", "pairs.zarr", *arguments) == 0
    assert run("generate", "pairs.zarr") == 0
    capsys.readouterr()


def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    shown = bytearray()

    def read() -> None:
        with contextlib.suppress(OSError):  # when the other end is closed
            while piece := os.read(ours, 4096):
                shown.extend(piece)

    reader = threading.Thread(target=read)
    reader.start()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        assert run("generate", "pairs.zarr", "--galaxies", "20", *SMALL) == 0
    reader.join(timeout=30)
    os.close(ours)
    assert b"20/20" in shown
    assert b"100%" in shown
    assert b"\x1b[" in shown


def test_stopping_it_says_how_to_resume(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [COMMAND, "generate", "pairs.zarr", "--galaxies", "800", *SMALL],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    process.send_signal(2)
    rest = process.communicate()[1]
    assert process.returncode == 3
    assert first == "0 of 800 galaxies\n"
    last = rest.splitlines()[-1]
    assert last == "argdask: stopped; run the same command again to resume"
    assert "Traceback" not in rest
    subprocess.run([COMMAND, "generate", "pairs.zarr"], check=True, capture_output=True)
    assert ad.verify("pairs.zarr").passed


@pytest.mark.parametrize(
    ("jobs", "galaxies", "expected"),
    [(3, 10, 3), (None, 10, 1), (None, 10**6, len(os.sched_getaffinity(0)))],
)
def test_processes_are_started_where_they_are_worth_it(
    jobs: int | None, galaxies: int, expected: int
) -> None:
    assert cli._workers(jobs, ad.Recipe(galaxies=galaxies)) == expected


# Bad input.


def grid_file(change: Callable[[h5py.File], None] | None = None, **values: Any) -> str:
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
    wavelength = np.array([4500.0, 6000.0, 8500.0])
    shape = [len(axes["z"]), 3, *(len(axes[name]) for name in list(axes)[1:])]
    fluxes = np.broadcast_to(np.asarray(values.get("flux", 1.0), np.float32), shape)
    with h5py.File("grid.hdf", "w") as file:
        file["fluxes"] = fluxes
        file["wl"] = wavelength
        file["tau"] = np.array([[0.1, -0.2, 0.3]])
        for place, name in zip((0, 2, 3, 4, 5, 6), axes, strict=True):
            file[f"axis_{name}"] = axes[name]
            file[f"axis_{name}"].make_scale(name)
            file["fluxes"].dims[place].attach_scale(file[f"axis_{name}"])
        if change is not None:
            change(file)
    return "grid.hdf"


def negative() -> str:
    return grid_file(lambda file: file["fluxes"].__setitem__((1, 0, 0, 0, 0, 0, 0), -1))


def truncated() -> str:
    whole = Path(grid_file()).read_bytes()
    Path("grid.hdf").write_bytes(whole[: len(whole) // 2])
    return "grid.hdf"


def mismatched() -> str:
    def shorten(file: h5py.File) -> None:
        del file["wl"]
        file["wl"] = [4500.0, 6000.0]

    return grid_file(shorten)


def text_file(text: str, name: str = "bad.yaml") -> str:
    Path(name).write_text(text)
    return name


def other_store() -> str:
    assert run("generate", "other.zarr", "--galaxies", "5", *SMALL) == 0
    return "other.zarr"


# What is wrong: the arguments of generate, the field that is named, the value and the
# cure. Words in the arguments that are functions are called first.
BAD: dict[str, tuple[list[Any], str, str, str]] = {
    "unknown key": (
        ["--set", "sead=3"],
        "sead",
        "an unknown key",
        "nearest: seed",
    ),
    "unknown key below": (
        ["--set", "profile.sersic_indes=3"],
        "profile.sersic_indes",
        "an unknown key",
        "nearest: sersic_index",
    ),
    "wrong type": (
        ["--set", "galaxies=many"],
        "galaxies",
        "many",
        "see `argdask recipe`",
    ),
    "no number": (["--galaxies", "many"], "--galaxies", "'many'", "valid integer"),
    "no setting": (["--set", "seed"], "--set", "seed", "for example seed=7"),
    "bad YAML": (
        ["--recipe", lambda: text_file("a: [1,\nb: 2")],
        "recipe",
        "bad.yaml",
        "see `argdask recipe`",
    ),
    "no mapping": (
        ["--recipe", lambda: text_file("- 1\n- 2")],
        "recipe",
        "bad.yaml",
        "see `argdask recipe`",
    ),
    "missing recipe": (["--recipe", "no.yaml"], "recipe", "no.yaml", "check the path"),
    "missing grid": (
        ["--seds", "no.hdf"],
        "seds",
        "no.hdf",
        "give a file of netCDF, Zarr",
    ),
    "redshift outside the grid": (
        ["--set", "redshifts.z_in=7.5"],
        "redshifts.z_in",
        "7.5",
        "choose another",
    ),
    "z_in above z_out": (
        ["--set", "redshifts={z_in: 1.0, z_out: 0.5}"],
        "redshifts.z_in",
        "1.0",
        "exchange them",
    ),
    "z_in equal to z_out": (
        ["--set", "redshifts={z_in: 1.0, z_out: 1.0}"],
        "redshifts.z_in",
        "1.0",
        "exchange them",
    ),
    "redshift of zero": (
        ["--set", "redshifts.z_in=0"],
        "redshifts.z_in",
        "0",
        "greater than 0; see `argdask recipe`",
    ),
    "negative redshift": (
        ["--set", "redshifts.z_out=-1"],
        "redshifts.z_out",
        "-1",
        "greater than 0; see `argdask recipe`",
    ),
    "no redshift above": (
        ["--set", "redshifts.z_in=2.0"],
        "redshifts",
        '"z_in":2.0',
        "choose a lower z_in",
    ),
    "grid with one redshift": (
        ["--seds", lambda: grid_file(z=np.array([1.0]))],
        "seds",
        "'redshift': 1",
        "give a larger grid",
    ),
    "grid with a redshift of zero": (
        ["--seds", lambda: grid_file(z=np.array([0.0, 1.0]))],
        "seds.redshift",
        "0.0",
        "drop this one",
    ),
    "unknown filter": (
        ["--set", "filters=[acs_wfc_f606]"],
        "filters",
        "acs_wfc_f606",
        "nearest: acs_wfc_f606w",
    ),
    "unknown brightness filter": (
        ["--set", "brightness.brightness_filter=r"],
        "brightness.brightness_filter",
        "got r,",
        "acs_wfc_f606w",
    ),
    "negative flux": (["--seds", negative], "seds", "-1.0 at z = 1.0", "set it to 0"),
    "no valid template": (
        ["--seds", lambda: grid_file(flux=0.0)],
        "seds",
        "no valid template",
        "look at its fluxes and mask",
    ),
    "no template young enough": (
        ["--seds", lambda: grid_file(ages=np.array([12.9e9, 13e9]))],
        "templates",
        "2 templates",
        "set templates.ages to all",
    ),
    "Sersic index out of range": (
        ["--set", "profile.sersic_index=9"],
        "profile.sersic_index",
        "9",
        "set its minimum and maximum",
    ),
    "axis ratio of zero": (
        ["--set", "profile.axis_ratio=0"],
        "profile.axis_ratio",
        "0",
        "set its minimum and maximum",
    ),
    "axis ratio above one": (
        [
            "--set",
            "profile.axis_ratio={distribution: uniform, minimum: 0.5, maximum: 2}",
        ],
        "profile.axis_ratio",
        "0.5 to 2",
        "set its minimum and maximum",
    ),
    "radius of no size": (
        ["--set", "profile.half_light_radius=0.0001"],
        "profile.half_light_radius",
        "0.00167 pixels",
        "set its minimum, or a smaller pixel_scale",
    ),
    "image of no size": (
        ["--set", "image_shape=0"],
        "image_shape",
        "0",
        "see `argdask recipe`",
    ),
    "no galaxies": (["--galaxies", "0"], "galaxies", "0", "see `argdask recipe`"),
    "negative galaxies": (
        ["--galaxies", "-3"],
        "galaxies",
        "-3",
        "see `argdask recipe`",
    ),
    "not an HDF5 file": (
        ["--seds", lambda: text_file("z flux\n1 2\n", "grid.txt")],
        "seds",
        "grid.txt (not HDF5, netCDF",
        "or one that smpy wrote",
    ),
    "not an smpy file": (
        ["--seds", lambda: grid_file(lambda file: file.pop("tau"))],
        "seds",
        "grid.hdf with no tau",
        "give a file that smpy wrote",
    ),
    "a truncated file": (
        ["--seds", truncated],
        "seds",
        "grid.hdf (truncated or damaged)",
        "copy it again",
    ),
    "mismatched shapes": (
        ["--seds", mismatched],
        "seds",
        "'wl' of shape (2,)",
        "copy it again",
    ),
    "too few names": (
        ["--seds", grid_file, "--filter-names", "u,g"],
        "filters",
        "['u', 'g']",
        "name every filter in the file",
    ),
    "names without a file": (
        ["--filter-names", "u,g"],
        "--filter-names",
        "u,g",
        "add --seds",
    ),
    "part that chunk does not divide": (
        ["--set", "layout={part: 10, chunk: 4}"],
        "layout.part",
        "10",
        "choose powers of two",
    ),
    "cluster of no kind": (
        ["--cluster", "moon"],
        "cluster",
        "moon",
        "for example tcp://",
    ),
    "no jobs": (["--jobs", "0"], "--jobs", "0", "x>=1"),
    "a folder that is not there": (
        [("none/bad.zarr",)],
        "store",
        "none/bad.zarr",
        "or choose another path",
    ),
    "a name that is too long": ([("x" * 300,)], "x" * 300, "", "File name too long"),
    "a place inside a file": (
        [lambda: (text_file("mine") + "/bad.zarr",)],
        "store",
        "bad.yaml/bad.zarr",
        "or choose another path",
    ),
    "a folder of others": (
        [lambda: (Path("mine").mkdir() or "mine",)],
        "store",
        "mine",
        "check the path",
    ),
    "too little space": (
        ["--galaxies", "100000000000", "--set", "scale=1"],
        "store",
        "bad.zarr",
        "choose fewer galaxies, fewer filters or another disk",
    ),
    "unknown option": (["--galaxy", "3"], "--galaxy", "", "Did you mean"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_told_in_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    given, field, value, cure = BAD[case]
    words = [word() if callable(word) else word for word in given]
    # A word in brackets stands in place of the store.
    store = next((word[0] for word in words if isinstance(word, tuple)), "bad.zarr")
    options = [word for word in words if not isinstance(word, tuple)]
    before = sorted(tmp_path.rglob("*"))
    capsys.readouterr()
    assert run("generate", store, *options) == 2
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line.startswith("argdask: ")
    for text in (field, value, cure):
        assert text in line, f"{text!r} is not in {line!r}"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_store_of_another_recipe_is_told_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Path(other_store())
    before = {p: p.read_bytes() for p in store.rglob("*") if p.is_file()}
    capsys.readouterr()
    for options, named in (
        (["--seed", "1"], "seed (4251 there, 1 asked for)"),
        (["--galaxies", "6"], "galaxies: got 6, expected 5"),
        (["--set", "sampling=centre"], "sampling (pixel there, centre asked for)"),
    ):
        assert run("generate", str(store), *options) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert named in line
        assert "choose another path" in line
    assert {p: p.read_bytes() for p in store.rglob("*") if p.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["other.zarr"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["inspect", "none.zarr"],
            "store: got none.zarr, expected a store that argdask",
        ),
        (
            ["verify", "none.zarr"],
            "store: got none.zarr, expected a store that argdask",
        ),
        (["verify", "none.zarr", "--sample", "0"], "0 is not in the range x>=1"),
        (
            ["preview", "none.zarr", "-o", "p.png"],
            "recipe: got none.zarr, expected a read",
        ),
        (
            ["preview", ".", "-o", "p.png"],
            "store: got ., expected a store that argdask",
        ),
        (["preview", "none.zarr"], "Missing option '-o'"),
        (["recipe", "none/r.yaml"], "OUT: got none/r.yaml, expected a new file"),
        (
            ["recipe", "r.yaml", "--set", "seed=x"],
            "seed: got x, expected a",
        ),
        (["generate"], "Missing argument 'OUT'"),
        (["genrate", "p.zarr"], "No such command 'genrate'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_of_other_commands_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: str,
) -> None:
    assert run(*arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert expected in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["p.xyz", "none/p.png"])
def test_a_picture_that_cannot_be_written_is_told(
    capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    text_file("galaxies: 2\nimage_shape: 8\n", "r.yaml")
    assert run("preview", "r.yaml", "-o", ending, "--galaxies", "1") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"picture: got {ending}, expected a file for a picture" in line
    assert "try preview.png" in line


def test_an_incomplete_store_has_its_own_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(made: int, _: int) -> None:
        if made:
            raise KeyboardInterrupt

    recipe = ad.Recipe(galaxies=40, image_shape=(8, 8), layout={"part": 8})
    with pytest.raises(KeyboardInterrupt):
        ad.write(recipe, "pairs.zarr", progress=stop)
    assert run("verify", "pairs.zarr") == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "32 of 40 galaxies are missing; run the same command again" in line
    assert run("inspect", "pairs.zarr") == 0
    # What is not made yet is drawn as nothing.
    assert run("preview", "pairs.zarr", "-o", "p.png", "--galaxies", "10") == 0
