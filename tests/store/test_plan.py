"""Plans: how a store is laid out, and what its fingerprint follows from."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from argdask.errors import InputError
from argdask.recipe import Recipe
from argdask.seds import content_hash
from argdask.simulation import Simulation
from argdask.store.plan import Plan, plan_of

MEGABYTE = 10**6


def small_grid(bands: int = 9) -> xr.DataArray:
    """Return a grid of few redshifts and templates in any number of filters."""
    flux = np.linspace(1.0, 2.0, 3 * bands * 2).reshape(3, bands, 2)
    return xr.DataArray(
        flux,
        dims=("redshift", "filter", "template"),
        coords={
            "redshift": [0.5, 1.0, 1.5],
            "filter": [f"band_{k}" for k in range(bands)],
            "wavelength": ("filter", 4000.0 + 100.0 * np.arange(bands)),
        },
    )


def plan_for(bands: int = 9, **choices: Any) -> Plan:
    """Plan a store without looking for the brightest pixel."""
    return plan_of(Simulation(Recipe(**choices), small_grid(bands), scale=1.0))


def is_power_of_two(number: int) -> bool:
    return number > 0 and number & (number - 1) == 0


@given(
    galaxies=st.integers(1, 10**12),
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    filters=st.integers(1, 40),
)
def test_parts_chunks_and_blocks_follow_the_rule(
    galaxies: int, height: int, width: int, filters: int
) -> None:
    plan = plan_for(filters, galaxies=galaxies, image_shape=(height, width))
    image = 4 * height * width * filters
    pair = 2 * image
    assert is_power_of_two(plan.part)
    assert is_power_of_two(plan.chunk)
    assert plan.part % plan.chunk == 0
    assert plan.parts <= 10**5
    if plan.part > 1 and -(-2 * galaxies // plan.part) > 10**5:
        # As large as it must be, or there would be too many of them.
        return
    assert plan.part <= 4096
    # DESIGN 6: at most 256 MB of images in memory, unless one galaxy is larger.
    assert plan.part * pair <= 256 * MEGABYTE or plan.part == 1
    # At least 8 parts, unless parts of 16 make fewer.
    assert plan.parts >= 8 or plan.part <= 16
    # No smaller than needed: twice as many galaxies in a part would break a limit, or
    # leave eight parts of which the last is nearly empty.
    twice = 2 * plan.part
    breaks = twice * pair > 256 * MEGABYTE or twice > 4096
    assert breaks or -(-galaxies // twice) <= 8
    # About 2 MB: within a factor of sqrt(2), unless one galaxy or a part is the limit.
    size = plan.chunk * image
    limited = plan.chunk == 1 and size > MEGABYTE
    limited |= plan.chunk == plan.part and size < 3 * MEGABYTE
    assert limited or 2 * MEGABYTE / 1.42 <= size <= 2 * MEGABYTE * 1.42
    assert is_power_of_two(plan.block)
    assert 2**16 <= plan.block <= 2**20
    assert plan.block >= galaxies or plan.block == 2**20


@given(
    galaxies=st.integers(1, 10**6),
    part=st.integers(1, 5000),
    block=st.sampled_from([2**16, 2**20]),
)
def test_parts_and_blocks_cover_every_row_once(
    galaxies: int, part: int, block: int
) -> None:
    plan = plan_for(galaxies=galaxies, layout={"part": part})
    plan = dataclasses.replace(plan, block=block)
    for count, rows_of in (
        (plan.parts, plan.rows_of_part),
        (plan.blocks, plan.rows_of_block),
    ):
        edges = [rows_of(0), rows_of(count // 2), rows_of(count - 1)]
        assert edges[0][0] == 0
        assert edges[-1][1] == galaxies
        assert all(stop > start for start, stop in edges)
        if count > 1:
            assert rows_of(0)[1] == rows_of(1)[0]
            assert rows_of(count - 2)[1] == rows_of(count - 1)[0]


def test_parts_and_blocks_are_smaller_where_there_are_components() -> None:
    names = [f"component_{number}" for number in range(40)]
    several = {"name": "components", "components": {name: {} for name in names}}
    size: dict[str, Any] = {"galaxies": 10**6, "image_shape": (128, 128)}
    plan = plan_for(1, **size, profile=several)
    stamps = 40 * 128 * 128 * 4 * plan.part
    assert stamps <= 256 * MEGABYTE < 2 * stamps
    assert plan.block == 2**16
    two = {"name": "components"}
    assert plan_for(1, **size, profile=two).part == plan_for(1, **size).part
    assert plan_for(**size, profile=two).part == plan_for(**size).part
    blocks = [plan_for(**size, **of).block for of in ({}, {"profile": two})]
    assert blocks == [2**20, 2**18]


@given(part=st.integers(1, 5000))
def test_any_part_gets_a_chunk_that_divides_it(part: int) -> None:
    plan = plan_for(layout={"part": part})
    assert plan.part == part
    assert part % plan.chunk == 0


def test_a_chunk_that_does_not_divide_the_part_is_refused() -> None:
    with pytest.raises(InputError, match=r"layout\.chunk: got 48, expected a divisor"):
        plan_for(layout={"chunk": 48})


CHANGES: dict[str, dict[str, Any]] = {
    "seed": {"seed": 1},
    "image_shape": {"image_shape": (16, 18)},
    "pixel_scale": {"pixel_scale": 0.05},
    "filters": {"filters": ("band_1", "band_0")},
    "profile.sersic_index": {
        "profile": {"sersic_index": {"distribution": "constant", "value": 2.0}}
    },
    "sampling": {"sampling": "centre"},
    "normalise": {"normalise": "peak"},
    "reference_redshift": {"reference_redshift": 1.0},
    "redshifts.law": {"redshifts": {"law": "uniform"}},
    "redshifts.z_in": {"redshifts": {"z_in": 0.5}},
    "templates.ages": {"templates": {"ages": "all"}},
    "brightness.law": {"brightness": {"law": "grid"}},
    "layout.compression": {"layout": {"compression": "zstd"}},
    "layout.keep_bits": {"layout": {"keep_bits": 12}},
    "layout.part": {"layout": {"part": 32}},
    "layout.chunk": {"layout": {"chunk": 8}},
}


@pytest.mark.parametrize("key", CHANGES)
def test_the_fingerprint_changes_with_every_choice(key: str) -> None:
    same = {"image_shape": (16, 16), "galaxies": 2000}
    plan, other = plan_for(**same), plan_for(**{**same, **CHANGES[key]})
    assert plan.fingerprint != other.fingerprint
    differing = plan.differences(other)
    # Where a list or a law is replaced, its own keys are named.
    assert any(name == key or name.startswith(f"{key}.") for name in differing)
    for name, (mine, others) in differing.items():
        assert mine != others
        assert other.differences(plan)[name] == (others, mine)


def test_the_fingerprint_changes_with_grid_scale_and_version() -> None:
    plan = plan_for(image_shape=(16, 16))
    grid = small_grid()
    brighter = plan_of(Simulation(plan.recipe, 2 * grid, scale=1.0))
    louder = plan_of(Simulation(plan.recipe, grid, scale=2.0))
    newer = dataclasses.replace(plan, pixels_version=plan.pixels_version + 1)
    assert set(plan.differences(brighter)) == {"seds"}
    assert set(plan.differences(louder)) == {"scale"}
    assert set(plan.differences(newer)) == {"pixels_version"}
    prints = {p.fingerprint for p in (plan, brighter, louder, newer)}
    assert len(prints) == 4


def test_the_fingerprint_does_not_change_with_the_number_of_galaxies() -> None:
    layout = {"part": 16, "chunk": 4}
    few, many = (plan_for(galaxies=n, layout=layout) for n in (10, 60000))
    assert few.fingerprint == many.fingerprint
    assert few.differences(many) == {}
    assert few != many


def test_the_grid_is_known_by_its_content() -> None:
    assert plan_for().seds == content_hash(small_grid())


@pytest.mark.parametrize("key", CHANGES)
def test_a_plan_is_read_back_from_its_text(key: str) -> None:
    plan = plan_for(**{"galaxies": 77, **CHANGES[key]})
    again = Plan.from_json(plan.to_json())
    assert again == plan
    assert again.fingerprint == plan.fingerprint


@given(scale=st.floats(1e-300, 1e300))
def test_the_scale_is_read_back_to_the_last_bit(scale: float) -> None:
    plan = dataclasses.replace(plan_for(), scale=scale)
    assert Plan.from_json(plan.to_json()).scale == scale


GOOD = plan_for().to_json()


@given(kept=st.integers(0, len(GOOD) - 1))
def test_a_plan_that_is_cut_off_is_refused(kept: int) -> None:
    with pytest.raises(InputError, match=r"plan: .*; verify or remake the store"):
        Plan.from_json(GOOD[:kept])


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields.pop("chunk"),
        lambda fields: fields.update(extra=1),
        lambda fields: fields["recipe"].update(sampling="corner"),
        lambda fields: fields.update(recipe=[1]),
        lambda fields: fields.pop("format_version"),
    ],
    ids=["missing", "unknown", "wrong choice", "no recipe", "no version"],
)
def test_a_plan_with_other_fields_is_refused(change: Any) -> None:
    fields = json.loads(GOOD)
    change(fields)
    with pytest.raises(InputError, match="plan: "):
        Plan.from_json(json.dumps(fields))


@pytest.mark.parametrize("text", ["null", "[]", "3", '"plan"'])
def test_text_that_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected the plan of a store"):
        Plan.from_json(text)


def test_a_plan_of_a_newer_format_says_so() -> None:
    fields = json.loads(GOOD)
    fields["format_version"] += 1
    # A newer format may have fields that this version knows nothing of.
    fields["volumes"] = 4
    with pytest.raises(InputError, match="use the version of argdask that made"):
        Plan.from_json(json.dumps(fields))
