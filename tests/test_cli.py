"""The command line: each command end to end, and bad input of other commands."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import pty
import subprocess
import sys
import threading
from importlib import metadata
from pathlib import Path

import netCDF4
import pytest

import argdask as ad
from argdask import cli
from argdask.cli_cluster import Where
from argdask.store.work import read_attributes

COMMAND = Path(sys.executable).with_name("argdask")
COMMANDS = (
    *("generate", "inspect", "verify", "recipe", "preview"),
    *("plan", "init", "part", "finalise", "status"),
    *("report", "doctor", "completion"),
)
SMALL = ("--set", "image_shape=8", "--set", "layout.part=8")


def run(*arguments: str) -> int:
    """Run a command in this process and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    return int(str(ended.value.code))


def test_the_installed_command_is_this_one() -> None:
    ran = subprocess.run([COMMAND, "--version"], capture_output=True, text=True)
    assert ran.returncode == 0
    told = dict(line.split() for line in ran.stdout.splitlines())
    assert next(iter(told)) == "argdask"
    for name in ("argdask", "numpy", "dask", "xarray", "zarr", "numba"):
        assert told[name] == metadata.version(name)
    assert told["python"] == platform.python_version()
    assert told["libnetcdf"] == netCDF4.__netcdf4libversion__


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


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["generate", "--help"], ["recipe"]]
)
def test_help_answers_without_the_slow_packages(arguments: list[str]) -> None:
    script = (
        "import sys, time\n"
        "began = time.process_time()\n"
        "from argdask.cli import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "except SystemExit as ended:\n"
        "    assert ended.code == 0, ended.code\n"
        "slow = {'dask', 'distributed', 'zarr', 'h5py', 'matplotlib', 'torch'}\n"
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
    picture = ["-o", "rgb.png", "--galaxies", "2", "--rgb"]
    assert run("preview", "train.yaml", *picture) == 0
    assert Path("rgb.png").read_bytes().startswith(b"\x89PNG")
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
    [(3, 10, 3), (None, 10, 0), (None, 10**6, len(os.sched_getaffinity(0)))],
)
def test_processes_are_started_where_they_are_worth_it(
    jobs: int | None, galaxies: int, expected: int
) -> None:
    where = Where("local", jobs, None, False, None, "info")
    with where.opener(ad.Recipe(galaxies=galaxies))(100) as client:
        # On one core even a large set is made in this process.
        threads = 0 if client is None else len(client.nthreads())
    assert threads == (0 if expected == 1 else expected)


# Bad input.


def text_file(text: str, name: str = "bad.yaml") -> str:
    Path(name).write_text(text)
    return name


def other_store() -> str:
    assert run("generate", "other.zarr", "--galaxies", "5", *SMALL) == 0
    return "other.zarr"


def test_a_store_of_another_recipe_is_told_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Path(other_store())
    before = {p: p.read_bytes() for p in store.rglob("*") if p.is_file()}
    capsys.readouterr()
    for options, named in (
        (["--seed", "1"], "seed (4251 there, 1 asked for)"),
        (["--galaxies", "4"], "galaxies: got 4, expected 5"),
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
            "store: got none.zarr (no such folder), expected a store",
        ),
        (
            ["verify", "none.zarr"],
            "store: got none.zarr (no such folder), expected a store",
        ),
        (["verify", "none.zarr", "--sample", "0"], "0 is not in the range x>=1"),
        (
            ["preview", "none.zarr", "-o", "p.png"],
            "store or recipe: got none.zarr (no such file or folder), ",
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


def test_whole_numbers_may_have_an_exponent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    quick = ["--json", "--set", "image_shape=8", "--set", "layout.part=16"]
    assert run("plan", "--galaxies", "1.2e2", "--seed", "1e19", *quick) == 0
    assert json.loads(capsys.readouterr().out)["galaxies"] == 120
    for option in ("--galaxies", "--seed"):
        for wrong in ("1.5", "1e-3", "many"):
            assert run("plan", option, wrong) == 2
            assert f"'{wrong}' is not a valid integer" in capsys.readouterr().err


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
    assert "32 of 40 galaxies are missing; `argdask generate pairs.zarr` makes" in line
    assert run("inspect", "pairs.zarr") == 0
    # What is not made yet is drawn as nothing.
    assert run("preview", "pairs.zarr", "-o", "p.png", "--galaxies", "10") == 0
