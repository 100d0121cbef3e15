"""More galaxies for a complete store: the bytes of building all at once."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hard_exits
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import argdask as ad
from argdask import cli, run, steps
from argdask.errors import IncompleteError, InputError
from argdask.rendering import is_scale_of_fewer
from argdask.simulation import Simulation
from argdask.store import closing, staging
from argdask.store.formats import FORMATS
from argdask.store.work import read_plan

SUFFIXES = {"zarr": ".zarr", "netcdf": ".nc"}
EVERY_FORMAT = pytest.mark.parametrize("suffix", [SUFFIXES[name] for name in FORMATS])
LAYOUT = {"part": 8, "chunk": 4, "block": 16}


def small(**choices: Any) -> ad.Recipe:
    """Return a recipe of 37 small galaxies: neither parts nor blocks are full."""
    given = {"galaxies": 37, "image_shape": (8, 8), "layout": LAYOUT}
    return ad.Recipe(**{**given, **choices})


def contents(path: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    }


def at_once(path: Path, recipe: ad.Recipe, seds: Any, **more: Any) -> dict[str, bytes]:
    """Return every file of a store that is made in one go."""
    ad.write(recipe, path, seds=seds, **more)
    return contents(path)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# The same bytes.


@EVERY_FORMAT
@settings(max_examples=5)
@given(sizes=st.lists(st.integers(1, 70), min_size=2, max_size=3, unique=True))
def test_a_store_extended_any_number_of_times_is_that_built_at_once(
    tmp_path_factory: pytest.TempPathFactory,
    seds: xr.DataArray,
    suffix: str,
    sizes: list[int],
) -> None:
    folder = tmp_path_factory.mktemp("extended")
    path = folder / f"pairs{suffix}"
    for size in sorted(sizes):
        plan = ad.write(small(galaxies=size), path, seds=seds).plan
        assert plan.galaxies == size
        assert names(folder) == [path.name]
    # The scale is that of the first, smallest set.
    first = Simulation(small(galaxies=min(sizes)), seds).scale
    recipe = small(galaxies=max(sizes), scale=first)
    assert plan.scale == first
    assert contents(path) == at_once(folder / f"other{suffix}", recipe, seds)


def test_only_what_has_new_rows_is_made(tmp_path: Path, seds: xr.DataArray) -> None:
    path = tmp_path / "pairs.zarr"
    ad.write(small(), path, seds=seds)
    before = {file: file.stat().st_mtime_ns for file in path.rglob("c.*")}
    progress: list[tuple[int, int]] = []
    made = ad.write(
        small(galaxies=60), path, seds=seds, progress=lambda *n: progress.append(n)
    )
    # Four whole parts stay; the fifth, of 37 - 32 galaxies, is made again.
    assert made.made == 60 - 32
    assert progress[0] == (32, 60)
    assert progress[-1] == (60, 60)
    changed = {f.name for f, time in before.items() if f.stat().st_mtime_ns != time}
    assert changed == {"c.4.0.0.0", "c.2", "c.2.0"}


@EVERY_FORMAT
@pytest.mark.filterwarnings("ignore::argdask.store.lock.StoreInUseWarning")
def test_of_two_runs_at_once_each_tells_what_it_made(
    tmp_path: Path, seds: xr.DataArray, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / f"pairs{suffix}"
    ad.write(small(), path, seds=seds)
    recipe = small(galaxies=60)
    others: list[int] = []

    def overtake(made: int, _: int) -> None:
        if made > 40 and not others:
            others.append(ad.write(recipe, path, seds=seds).made)

    made = ad.write(recipe, path, seds=seds, progress=overtake).made
    # The first was at its second part when the second run made the others.
    assert (made, others) == (16, [12])
    assert caplog.records == []
    assert names(tmp_path) == [path.name]
    same = read_plan(path).recipe
    assert contents(path) == at_once(tmp_path / f"other{suffix}", same, seds)


def test_a_rule_that_gives_the_same_scale_is_kept(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    # The brightest of the first twenty is known to both sets.
    choices = {"scale": {"max": 100.0, "over": 20}}
    path = tmp_path / "pairs.zarr"
    ad.write(small(**choices), path, seds=seds)
    recipe = small(galaxies=60, **choices)
    ad.write(recipe, path, seds=seds)
    assert read_plan(path).recipe.scale == recipe.scale
    assert contents(path) == at_once(tmp_path / "other.zarr", recipe, seds)


@pytest.mark.parametrize("scale", [{"max": 100.0, "over": "all"}, 3.25, None])
def test_every_kind_of_scale_is_kept(
    tmp_path: Path, seds: xr.DataArray, scale: Any
) -> None:
    path = tmp_path / "pairs.zarr"
    first = ad.write(small(scale=scale), path, seds=seds).plan.scale
    recipe = small(galaxies=60, scale=scale)
    ad.write(recipe, path, seds=seds)
    plan = read_plan(path)
    assert plan.scale == first
    assert plan.recipe.scale == (first if isinstance(scale, dict) else scale)
    # The same line again knows the store for its own, twice extended too.
    assert ad.write(recipe, path, seds=seds).made == 0
    larger = small(galaxies=64, scale=scale)
    ad.write(larger, path, seds=seds)
    assert ad.write(larger, path, seds=seds).made == 0
    stated = plan.recipe.model_copy(update={"galaxies": 64})
    assert contents(path) == at_once(tmp_path / "other.zarr", stated, seds)


def test_a_scale_that_no_smaller_set_would_have_is_refused(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    path = tmp_path / "pairs.zarr"
    ad.write(small(scale=3.25), path, seds=seds)
    with pytest.raises(InputError, match=r"it differs in scale \(3\.25 there"):
        ad.write(small(galaxies=60), path, seds=seds)


def test_the_scales_of_smaller_sets_are_known(seds: xr.DataArray) -> None:
    catalogue = Simulation(small(galaxies=60), seds).catalogue
    scales = {Simulation(small(galaxies=n), seds).scale for n in range(1, 61)}
    assert len(scales) > 2
    assert all(is_scale_of_fewer(catalogue, scale) for scale in scales)
    assert not any(is_scale_of_fewer(catalogue, scale * 1.01) for scale in scales)
    fixed = Simulation(small(scale=2.0), seds).catalogue
    assert not is_scale_of_fewer(fixed, 2.0)


def test_parts_that_were_chosen_by_the_old_size_are_kept_and_stated(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    path = tmp_path / "pairs.zarr"
    old = ad.write(small(galaxies=100, layout={}), path, seds=seds).plan
    recipe = small(galaxies=300, layout={})
    plan = ad.write(recipe, path, seds=seds).plan
    assert (plan.part, plan.chunk, plan.block) == (old.part, old.chunk, old.block)
    # At once they would have been others, so that they stand in the recipe by now.
    assert ad.write(recipe, tmp_path / "other.zarr", seds=seds).plan.part != plan.part
    assert plan.recipe.layout.part == plan.part
    assert ad.write(recipe, path, seds=seds).made == 0
    assert contents(path) == at_once(tmp_path / "third.zarr", plan.recipe, seds)


@EVERY_FORMAT
def test_a_step_at_a_time_gives_the_same(
    tmp_path: Path, seds: xr.DataArray, suffix: str
) -> None:
    path = tmp_path / f"pairs{suffix}"
    scale = ad.write(small(), path, seds=seds).plan.scale
    before = contents(path)
    ad.init(small(galaxies=70), path, seds=seds)
    ad.part(path, 1, 2)
    with pytest.raises(IncompleteError, match=r"pieces are missing: block 2, block 4"):
        ad.finalise(path)
    found = ad.status(path)
    assert found.state == "being extended"
    assert (found.galaxies.of, found.parts.of, found.blocks.of) == (70, 9, 5)
    assert found.galaxies.done == 32 + 8 + 8 + 6
    assert (found.parts.done, found.blocks.done) == (4 + 3, 2 + 1)
    assert contents(path) == before
    ad.part(path, 0, 2)
    ad.finalise(path)
    recipe = small(galaxies=70, scale=scale)
    assert contents(path) == at_once(tmp_path / f"other{suffix}", recipe, seds)
    assert ad.status(path).state == "complete"


def test_the_command_extends_and_goes_on(
    tmp_path: Path, seds: xr.DataArray, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pairs.zarr"
    scale = ad.write(small(), path, seds=seds).plan.scale
    ad.init(small(galaxies=60), path, seds=seds)
    for arguments, told in (
        (["generate", "pairs.zarr", "--galaxies", "64"], "60, to which"),
        (["generate", "pairs.zarr", "--galaxies", "12"], "37 as in"),
        (["generate", "pairs.zarr", "--seed", "1"], "seed (4251 there, 1 asked for)"),
    ):
        assert command(*arguments) == 2
        assert told in capsys.readouterr().err
    # Without choices it goes on with what was begun.
    assert command("generate", "pairs.zarr") == 0
    assert "60 pairs of 8x8 pixels" in capsys.readouterr().out
    assert command("generate", "pairs.zarr", "--galaxies", "64") == 0
    recipe = small(galaxies=64, scale=scale)
    assert contents(path) == at_once(tmp_path / "other.zarr", recipe, seds)


def command(*arguments: str) -> int:
    """Run a command in this process and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    return int(str(ended.value.code))


# What users bring.


def table(rows: int, **columns: Any) -> dict[str, Any]:
    return {
        "galaxy_id": np.arange(rows) * 7 + 3,
        "z_in": 0.1 + 0.001 * np.arange(rows),
        **columns,
    }


@EVERY_FORMAT
def test_a_catalogue_may_grow_at_its_end(
    tmp_path: Path, seds: xr.DataArray, suffix: str
) -> None:
    path = tmp_path / f"pairs{suffix}"
    recipe = ad.Recipe(image_shape=8, layout=LAYOUT, scale=1.0)
    ad.write(recipe, path, seds=seds, catalogue=table(37))
    made = ad.write(recipe, path, seds=seds, catalogue=table(60))
    assert made.plan.galaxies == 60
    assert ad.write(recipe, path, seds=seds, catalogue=table(60)).made == 0
    other = tmp_path / f"other{suffix}"
    assert contents(path) == at_once(other, recipe, seds, catalogue=table(60))
    assert ad.verify(path).passed


def test_a_catalogue_with_other_rows_first_is_refused(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    path = tmp_path / "pairs.zarr"
    recipe = ad.Recipe(image_shape=8, layout=LAYOUT, scale=1.0)
    ad.write(recipe, path, seds=seds, catalogue=table(37))
    before = contents(tmp_path)
    other = table(60)
    other["z_in"][3] = 0.5
    with pytest.raises(InputError, match=r"the 37 rows of .* first, in their order"):
        ad.write(recipe, path, seds=seds, catalogue=other)
    wrong = table(60)
    wrong["z_in"][50] = 1e6
    with pytest.raises(InputError, match="row 50"):
        ad.write(recipe, path, seds=seds, catalogue=wrong)
    more = recipe.model_copy(update={"galaxies": 60})
    with pytest.raises(InputError, match="at most 37, the rows of the catalogue"):
        ad.write(more, path, seds=seds)
    without = small(galaxies=60, scale=1.0)
    drawn = tmp_path / "drawn.zarr"
    ad.write(small(scale=1.0), drawn, seds=seds)
    with pytest.raises(InputError, match=r"it differs in catalogue \(None there"):
        ad.write(without, drawn, seds=seds, catalogue=table(60))
    shutil.rmtree(drawn)
    assert contents(tmp_path) == before


def test_images_that_are_drawn_once_must_be_enough(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    np.save("images.npy", np.random.default_rng(2).lognormal(0, 1, (50, 8, 8)))
    profile = {"name": "images", "source": "images.npy"}
    choices: dict[str, Any] = {"profile": profile, "layout": LAYOUT}
    path = tmp_path / "pairs.zarr"
    scale = ad.write(ad.Recipe(galaxies=37, **choices), path, seds=seds).plan.scale
    with pytest.raises(InputError, match=r"at most 50, each image of images\.npy once"):
        ad.write(ad.Recipe(galaxies=60, **choices), path, seds=seds)
    ad.write(ad.Recipe(galaxies=50, **choices), path, seds=seds)
    recipe = ad.Recipe(galaxies=50, scale=scale, **choices)
    assert contents(path) == at_once(tmp_path / "other.zarr", recipe, seds)
    np.save("images.npy", np.ones((60, 8, 8)))
    with pytest.raises(InputError, match=r"it differs in images \("):
        ad.write(ad.Recipe(galaxies=60, **choices), path, seds=seds)


# Refused.


def test_fewer_galaxies_are_refused(tmp_path: Path, seds: xr.DataArray) -> None:
    path = tmp_path / "pairs.zarr"
    ad.write(small(), path, seds=seds)
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"galaxies: got 36, expected 37 as in .*more"):
        ad.write(small(galaxies=36), path, seds=seds)
    assert contents(tmp_path) == before


def test_an_incomplete_store_is_finished_before_it_grows(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    path = tmp_path / "pairs.zarr"
    ad.init(small(), path, seds=seds)
    with pytest.raises(InputError, match=r"finish it with `argdask generate .*extend"):
        ad.write(small(galaxies=60), path, seds=seds)
    ad.write(small(), path, seds=seds)
    assert ad.write(small(galaxies=60), path, seds=seds).plan.galaxies == 60


def test_another_recipe_is_refused_however_many_galaxies(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    path = tmp_path / "pairs.zarr"
    ad.write(small(), path, seds=seds)
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"seed \(4251 there, 1 asked for\)"):
        ad.write(small(galaxies=60, seed=1), path, seds=seds)
    layout = {**LAYOUT, "part": 16}
    with pytest.raises(InputError, match=r"layout\.part \(8 there, 16 asked for\)"):
        ad.write(small(galaxies=60, layout=layout), path, seds=seds)
    assert contents(tmp_path) == before


def test_the_extension_of_another_store_is_refused_and_kept(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    path = tmp_path / "pairs.zarr"
    ad.write(small(), path, seds=seds)
    ad.init(small(galaxies=60), path, seds=seds)
    shutil.rmtree(path)
    ad.write(small(seed=1, galaxies=20), tmp_path / "new.zarr", seds=seds)
    (tmp_path / "new.zarr").rename(path)
    before = contents(tmp_path)
    with pytest.raises(InputError, match="that of another store was left there"):
        ad.write(None, path)
    assert contents(tmp_path) == before


# Readers.


@EVERY_FORMAT
def test_readers_see_the_old_set_until_the_new_one_is_there(
    tmp_path: Path, seds: xr.DataArray, suffix: str
) -> None:
    path = tmp_path / f"pairs{suffix}"
    ad.write(small(), path, seds=seds)
    before = contents(path)
    expected = ad.open_pairs(path, chunks=None).load()
    opened = ad.open_pairs(path)
    looked = []

    def look(made: int, _: int) -> None:
        looked.append(made)
        assert contents(path) == before
        assert ad.open_pairs(path).sizes["galaxy"] == 37
        xr.testing.assert_identical(opened.isel(galaxy=slice(30, None)).load(), last)

    last = expected.isel(galaxy=slice(30, None))
    ad.init(small(galaxies=70), path, seds=seds)
    assert ad.verify(path).passed
    ad.write(small(galaxies=70), path, seds=seds, progress=look)
    assert len(looked) > 4
    # Opened before, read after: the same galaxies.
    xr.testing.assert_identical(opened.load(), expected)
    assert ad.open_pairs(path).sizes["galaxy"] == 70
    assert ad.verify(path).passed


# Killed.


class KilledError(BaseException):
    """What a test raises in the place of a death; nothing catches it."""


@pytest.fixture(scope="module")
def ready(
    tmp_path_factory: pytest.TempPathFactory, seds: xr.DataArray, suffix: str
) -> tuple[Path, dict[str, bytes], dict[str, bytes]]:
    """A store with an extension that is all made, the old bytes and the new."""
    folder = tmp_path_factory.mktemp("ready")
    path = folder / f"pairs{suffix}"
    recipe = ad.Recipe(image_shape=8, layout=LAYOUT, scale=1.0)
    ad.write(recipe, path, seds=seds, catalogue=table(37))
    old = contents(path)
    ad.init(recipe, path, seds=seds, catalogue=table(60))
    ad.part(path, 0, 1)
    new = at_once(folder / f"other{suffix}", recipe, seds, catalogue=table(60))
    shutil.rmtree(folder / f"other{suffix}")
    return path, old, new


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [SUFFIXES[name] for name in FORMATS], scope="module")
def test_a_death_at_every_rename_of_the_fold_changes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seds: xr.DataArray,
    ready: tuple[Path, dict[str, bytes], dict[str, bytes]],
) -> None:
    prepared, old, new = ready
    replace = Path.replace
    left = 0

    def dying(self: Path, target: Path) -> Path:
        nonlocal left
        left -= 1
        if left == 0:
            raise KilledError
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", dying)
    deaths = states = 0
    for number in range(1, 1000):
        folder = tmp_path / str(number)
        shutil.copytree(prepared.parent, folder)
        path = folder / prepared.name
        left = number
        try:
            ad.finalise(path)
            break
        except KilledError:
            deaths += 1
        # Whoever opens it now finds one of the two sets, whole.
        pairs = ad.open_pairs(path, chunks=None)
        assert pairs.sizes["galaxy"] in (37, 60)
        states |= 1 << (pairs.sizes["galaxy"] == 60)
        assert np.isfinite(pairs["target"].values).all()
        left = 0
        ad.finalise(path)
        assert contents(path) == new
        assert names(folder) == [path.name]
        shutil.rmtree(folder)
    # At least one for each of the files that were made.
    assert deaths >= len([name for name in new if new[name] != old.get(name)])
    assert states == 1, "the root comes last"


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (run, "fold"),
        (steps, "close"),
        (staging, "finish_fold"),
        (staging, "_move"),
        (staging, "_clean"),
        (staging, "remove_receipts"),
        (run, "remove_receipts"),
        (shutil, "rmtree"),
        (closing, "_entries"),
        (closing, "write_copies"),
        (closing, "seal"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("suffix", [".zarr"], scope="module")
def test_a_death_between_the_steps_of_the_end_changes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ready: tuple[Path, dict[str, bytes], dict[str, bytes]],
    owner: Any,
    name: str,
) -> None:
    prepared, _, new = ready
    path = tmp_path / "here" / prepared.name
    shutil.copytree(prepared.parent, path.parent)

    def die(*_: Any, **__: Any) -> None:
        raise KilledError

    for _ in range(2):
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, die)
            with contextlib.suppress(KilledError):
                ad.finalise(path)
    ad.write(None, path)
    assert contents(path) == new
    assert names(path.parent) == [path.name]


CODE = """
choices = dict(image_shape=(8, 8), layout={"part": 8, "chunk": 4, "block": 16})
ad.write(ad.Recipe(galaxies=70, **choices), "pairs.zarr")
"""


@pytest.fixture(scope="module")
def run_forked() -> Iterator[hard_exits.Run]:
    """Run code that may end at any call."""
    with hard_exits.forked_runs() as forked:
        yield forked


@pytest.mark.parametrize(
    "point",
    [
        "planning.initialise",
        "files.sync_tree",
        "receipts.Journal.append",
        "receipts.Journal.append, 4",
        "run.fold",
        "staging._rename, 2",
        "staging._clean",
    ],
)
def test_a_hard_exit_on_the_way_changes_no_byte(
    tmp_path: Path, seds: xr.DataArray, run_forked: hard_exits.Run, point: str
) -> None:
    path = tmp_path / "pairs.zarr"
    scale = ad.write(small(), path, seds=seds).plan.scale
    old = contents(path)
    assert run_forked(tmp_path, CODE, point) == hard_exits.EXIT
    if not point.startswith("staging"):
        assert contents(path) == old
        assert ad.verify(path).passed
    ad.write(small(galaxies=70), path, seds=seds)
    assert names(tmp_path) == ["pairs.zarr"]
    recipe = small(galaxies=70, scale=scale)
    assert contents(path) == at_once(tmp_path / "other.zarr", recipe, seds)


def test_names_in_what_was_left_cannot_lead_out_of_the_store(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    path = tmp_path / "pairs.zarr"
    ad.write(small(), path, seds=seds)
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    left = tmp_path / "pairs.zarr.extension"
    left.mkdir()
    (left / "obsolete.txt").write_text(f"../mine.txt\n{mine}\ninput/none\n")
    ad.write(None, path)
    assert mine.read_text() == "mine"
    assert names(tmp_path) == ["mine.txt", "pairs.zarr"]
