"""The documentation is built without a warning, is whole, and its code runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import pytest

import argdask as ad

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
            before = lines[number] or before
            number += 1
            continue
        end = lines.index("```", number + 1)
        if opened[1] in ("python", "sh") and not before.startswith(NOT_RUN):
            yield opened[1], "\n".join(lines[number + 1 : end]) + "\n", number + 2
        before, number = "", end + 1


WITH_CODE = sorted(page for page in PAGES.rglob("*.md") if any(blocks_of(page)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    WITH_CODE,
    ids=lambda page: page.relative_to(PAGES).with_suffix("").as_posix(),
)
def test_the_code_of_a_page_runs_from_top_to_bottom(page: Path) -> None:
    mpl.use("agg")
    bin_folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"}
    names: dict[str, object] = {"__name__": page.stem}
    for language, text, line in blocks_of(page):
        place = f"{page.name}, line {line}"
        if language == "python":
            # Its own lines are where an error says that they are.
            exec(compile("\n" * (line - 1) + text, str(page), "exec"), names)
            continue
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{place}: {done.stdout}{done.stderr}"
    mpl.pyplot.close("all")


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
def listings(monkeypatch: pytest.MonkeyPatch) -> object:
    """The module of the site that makes lists of the code."""
    monkeypatch.syspath_prepend(str(PAGES))
    import site_listings

    return site_listings


@pytest.mark.slow
def test_every_public_name_has_an_entry_in_the_reference(site: Path) -> None:
    text = (site / "python.html").read_text("utf-8")
    found = set(re.findall(r'id="argdask\.(\w+)"', text))
    assert set(ad.__all__) == found
