"""What commands print: quiet ones the result alone, warnings in a line; completion."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from click.testing import CliRunner

import argdask as ad
from argdask import cli
from argdask.cli_output import told_warnings
from argdask.store.lock import StoreInUseWarning

COMMAND = Path(sys.executable).with_name("argdask")
SMALL = ("--set", "image_shape=8", "--galaxies", "12", "--set", "layout.part=8")


def run(*arguments: str) -> int:
    """Run a command in this process and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    return int(str(ended.value.code))


def test_quiet_commands_print_the_path_of_their_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*arguments: str) -> str:
        assert run(*arguments) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out

    store = f"{tmp_path / 'pairs.zarr'}\n"
    assert told("init", "pairs.zarr", "-q", *SMALL) == "pairs.zarr\n"
    part = ("part", "pairs.zarr", "--index", "0", "--of", "1")
    assert told(*part, "--quiet") == "pairs.zarr\n"
    assert told("finalise", "pairs.zarr", "-q") == "pairs.zarr\n"
    assert told("generate", "pairs.zarr", "-q", *SMALL) == store
    assert told("verify", "pairs.zarr", "-q", "--sample", "1") == "pairs.zarr\n"
    assert told("repair", "pairs.zarr", "-q") == "pairs.zarr\n"
    assert told("export", "pairs.zarr", "npy", "-q") == f"{tmp_path / 'npy'}\n"
    picture = ("-o", "p.png", "--galaxies", "1")
    assert told("preview", "pairs.zarr", *picture, "-q") == "p.png\n"
    page = ("-o", "r.html", "--sample", "0")
    assert told("report", "pairs.zarr", *page, "-q") == "r.html\n"
    assert Path("r.html").read_text("utf-8").startswith("<!DOCTYPE html>")


# What standard error is, for a shell.
STREAMS = {"closed": "2>&-", "full": "2>/dev/full", "gone": "2>&1 >/dev/null | head -1"}


@pytest.mark.parametrize("stream", STREAMS)
def test_a_run_does_not_hang_on_whether_its_progress_is_read(stream: str) -> None:
    # Of a table it is told which columns count.
    Path("table.csv").write_text("\n".join(["sersic_index", *["2.5"] * 12]))
    named = ("--catalogue", "table.csv", "--set", "layout.chunk=1")
    words = " ".join(("generate", "pairs.zarr", *SMALL, *named))
    line = f"set -o pipefail; {COMMAND} {words} {STREAMS[stream]}"
    ran = subprocess.run(["bash", "-c", line], capture_output=True, check=False)
    assert ran.returncode == 0, ran
    assert ad.verify("pairs.zarr", sample=1).passed


def test_a_result_that_nobody_reads_is_a_result(tmp_path: Path) -> None:
    words = " ".join(("generate", "pairs.zarr", *SMALL))
    line = f"set -o pipefail; {COMMAND} {words} 2>/dev/null | true"
    subprocess.run(["bash", "-c", line], check=True)
    assert ad.verify(tmp_path / "pairs.zarr", sample=1).passed


def test_bad_input_has_its_exit_code_where_nobody_reads_why() -> None:
    for stream in ("2>&-", "2>/dev/full"):
        line = f"{COMMAND} generate pairs.zarr --galaxies 0 {stream}"
        assert subprocess.run(["bash", "-c", line], check=False).returncode == 2


def test_a_quiet_submission_prints_paths_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "programs" / "sbatch"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 7\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    store = tmp_path / "q.zarr"
    array = ("--on", "slurm", "--array", "2", "-q")
    assert run("submit", "q.zarr", *array, *SMALL) == 0
    out, _ = capsys.readouterr()
    assert out == f"q.zarr\n{store}.jobs\n"


def test_a_quiet_command_still_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("generate", "pairs.zarr", "-q", *SMALL) == 0
    victim = next(p for p in Path("pairs.zarr/target").rglob("c.*") if p.is_file())
    victim.write_bytes(b"")
    capsys.readouterr()
    assert run("verify", "pairs.zarr", "-q", "--sample", "1") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "FAILED files and checksums" in err
    assert run("inspect", "none.zarr") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_warnings_are_one_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    def warned(category: type[Warning]) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            with told_warnings():
                warnings.warn("two\nlines", category, stacklevel=1)
        return capsys.readouterr().err

    assert warned(StoreInUseWarning) == "argdask: two lines\n"
    assert warned(UserWarning) == "argdask: two lines\n"
    # Of what others warn of, the kind says whose it is.
    assert warned(FutureWarning) == "argdask: FutureWarning: two lines\n"


def test_a_preview_tells_its_warnings_without_a_place_in_the_code() -> None:
    Path("r.yaml").write_text(
        "galaxies: 1\nimage_shape: 12\nobservation: {psf: {psf_fwhm: 0.024}}\n"
    )
    ran = subprocess.run(
        [COMMAND, "preview", "r.yaml", "-o", "p.png"], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    (line,) = ran.stderr.splitlines()
    assert line.startswith("argdask: a PSF of 0.4 pixels: images are accurate down")
    assert ".py" not in line


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_completion_is_printed(shell: str) -> None:
    ran = CliRunner().invoke(cli.cli, ["completion", shell])
    assert ran.exit_code == 0
    assert "_ARGDASK_COMPLETE" in ran.output
    assert f"# To keep it: argdask completion {shell} > " in ran.output
    if shell == "zsh":
        assert ran.output.startswith("#compdef argdask\n")


def test_bash_completes_commands_options_and_files() -> None:
    script = subprocess.run(
        [COMMAND, "completion", "bash"], capture_output=True, text=True, check=True
    ).stdout

    def completed(*words: str) -> list[str]:
        names = " ".join(f"'{word}'" for word in words)
        ran = subprocess.run(
            [
                "bash",
                "-c",
                f"{script}\nCOMP_WORDS=({names}); COMP_CWORD="
                f"{len(words) - 1}; _argdask_completion argdask 2>/dev/null;"
                'printf "%s\\n" "${COMPREPLY[@]}"',
            ],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PATH": f"{COMMAND.parent}:{os.environ['PATH']}"},
        )
        return ran.stdout.split()

    assert completed("argdask", "rep") == ["repair", "report"]
    assert completed("argdask", "verify", "--f") == ["--full"]
