"""Batches: the same galaxies, bit for bit, from a recipe and from any store."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import argdask as ad
from argdask import loader_store
from argdask.keyed_words import hashed
from argdask.loader_choices import LoaderChoices
from argdask.orientations import drawn, orient, oriented
from argdask.schema import image_name
from argdask.store.work import read_plan

COUNT = 90
BASE = ("z_in", "z_out", "sed_index", "galaxy_id")


def recipe_of(seds: xr.DataArray, **choices: Any) -> ad.Recipe:
    names = seds["filter"].values.tolist()[:3]
    told = {"galaxies": COUNT, "image_shape": (24, 24), "filters": names}
    return ad.Recipe(**{**told, **choices})


@pytest.fixture(scope="module")
def recipe(seds: xr.DataArray) -> ad.Recipe:
    return recipe_of(seds)


@pytest.fixture(scope="module")
def simulated(recipe: ad.Recipe, seds: xr.DataArray) -> xr.Dataset:
    return ad.simulate(recipe, seds)


@pytest.fixture(scope="module")
def stores(
    tmp_path_factory: pytest.TempPathFactory, seds: xr.DataArray
) -> dict[str, Path]:
    """The same galaxies in every kind of store; parts of 16, the last of 10."""
    folder = tmp_path_factory.mktemp("loaders")
    kinds = {"plain.zarr": "none", "lz4.zarr": "lz4", "plain.nc": "none"}
    for name, compression in kinds.items():
        layout = {"part": 16, "chunk": 4, "compression": compression}
        ad.write(recipe_of(seds, layout=layout), folder / name, seds=seds)
    return {name: folder / name for name in kinds}


@pytest.fixture(params=["recipe", "plain.zarr", "lz4.zarr", "plain.nc"])
def source(request: pytest.FixtureRequest) -> Any:
    if request.param == "recipe":
        return request.getfixturevalue("recipe")
    return request.getfixturevalue("stores")[request.param]


def joined(batches: Iterator[dict[str, Any]]) -> dict[str, Any]:
    every = list(batches)
    return {name: np.concatenate([b[name] for b in every]) for name in every[0]}


def same(one: dict[str, Any], two: dict[str, Any]) -> bool:
    return list(one) == list(two) and all(
        np.array_equal(one[name], two[name]) for name in one
    )


def all_same(one: Iterator[Any], two: Iterator[Any]) -> bool:
    pairs = itertools.zip_longest(one, two)
    return all(a is not None and b is not None and same(a, b) for a, b in pairs)


@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_are_what_simulate_makes(
    source: Any, simulated: xr.Dataset, shuffle: bool
) -> None:
    truth = ("half_light_radius", "flux_in", "e_bv", "template_name")
    found = joined(
        ad.batches(source, batch_size=25, buffer=40, shuffle=shuffle, truth=truth)
    )
    assert list(found) == ["input", "target", *BASE, *truth]
    ids = found["galaxy_id"]
    assert sorted(ids.tolist()) == list(range(COUNT))
    assert (sorted(ids.tolist()) == ids.tolist()) is not shuffle
    for name, values in found.items():
        expected = simulated[name].values[ids]
        assert values.dtype == expected.dtype
        assert np.array_equal(values, expected), name


def test_the_stream_does_not_depend_on_how_it_is_made(source: Any) -> None:
    choices = {"batch_size": 16, "seed": 4, "epoch": 2, "augment": ("flip", "turn")}
    every = list(ad.batches(source, buffer=32, prefetch=0, **choices))
    for more in ({"prefetch": 1}, {"prefetch": 3, "threads": 3}):
        assert all_same(iter(every), ad.batches(source, buffer=32, **choices, **more))
    rest = ad.batches(source, buffer=32, start_step=3, **choices)
    assert all_same(iter(every[3:]), rest)
    ranks = [
        list(ad.batches(source, buffer=32, rank=rank, world_size=2, **choices))
        for rank in range(2)
    ]
    assert all_same(iter(every[::2]), iter(ranks[0]))
    assert all_same(iter(every[1::2]), iter(ranks[1]))


@pytest.fixture(scope="module")
def observed(seds: xr.DataArray) -> ad.Recipe:
    """A recipe of all layers."""
    seen = {"psf": {"psf_fwhm": 0.15}, "noise": {"background_sigma": 1e-3}}
    layout = {"part": 16, "chunk": 4}
    return recipe_of(seds, galaxies=20, observation=seen, layout=layout)


def test_layers_are_those_that_simulate_makes(
    observed: ad.Recipe, seds: xr.DataArray, tmp_path: Path
) -> None:
    pairs = ad.simulate(observed, seds)
    ad.write(observed, tmp_path / "seen.zarr", seds=seds)
    truth = ("fraction_in_frame_in", "fraction_in_frame_out")
    for source in (observed, tmp_path / "seen.zarr"):
        for layers in (("noisy", "convolved"), "noisy", ("convolved", "clean")):
            found = joined(ad.batches(source, layers=layers, batch_size=7, truth=truth))
            ids = found["galaxy_id"]
            told = (layers, layers) if isinstance(layers, str) else layers
            for role, layer in zip(("input", "target"), told, strict=True):
                name = image_name(role, layer)
                assert np.array_equal(found[role], pairs[name].values[ids])
            for name in truth:
                assert np.array_equal(found[name], pairs[name].values[ids])


def test_windows_without_a_galaxy_of_the_split_are_passed(
    seds: xr.DataArray, tmp_path: Path
) -> None:
    table = {"group": np.arange(200) // 50}
    recipe = recipe_of(seds, galaxies=200, layout={"part": 16, "chunk": 4})
    ad.write(recipe, tmp_path / "grouped.zarr", seds=seds, catalogue=table)
    told = {"splits": {"train": 0.5, "rest": 0.5}, "buffer": 16, "batch_size": 12}
    for seed in range(6):
        whole: list[int] = []
        for split in ("train", "rest"):
            each = {**told, "split": split, "split_seed": seed}
            found = [*ad.batches(tmp_path / "grouped.zarr", **each)]
            whole += [one for batch in found for one in batch["galaxy_id"].tolist()]
            made = ad.batches(recipe, seds=seds, catalogue=table, **each)
            ids = [one for batch in made for one in batch["galaxy_id"].tolist()]
            assert sorted(ids) == sorted(whole[len(whole) - len(ids) :])
        assert sorted(whole) == list(range(200))


def test_noise_is_fresh_in_each_epoch_if_asked_for(
    observed: ad.Recipe, seds: xr.DataArray, tmp_path: Path
) -> None:
    pairs = ad.simulate(observed, seds)
    layers = observed.observation.model_copy(update={"layers": ("convolved",)})
    few = observed.model_copy(update={"observation": layers})
    for place, recipe in (("all.nc", observed), ("few.zarr", few)):
        ad.write(recipe, tmp_path / place, seds=seds)
    told = {"layers": "noisy", "batch_size": 6}
    for epoch in (0, 3):
        again = ad.add_noise(pairs, epoch=epoch)
        kept = joined(ad.batches(observed, epoch=epoch, **told))
        for source in (observed, tmp_path / "all.nc", tmp_path / "few.zarr"):
            fresh = joined(ad.batches(source, epoch=epoch, augment="noise", **told))
            ids = fresh["galaxy_id"]
            for role in ("input", "target"):
                name = f"{role}_noisy"
                assert np.array_equal(fresh[role], again[name].values[ids])
        for role in ("input", "target"):
            name = f"{role}_noisy"
            assert np.array_equal(kept[role], pairs[name].values[kept["galaxy_id"]])
    assert not np.array_equal(fresh["input"], kept["input"])


# Less than a part, which is read in pieces then, and more.
@pytest.mark.parametrize("buffer", [9, 48])
def test_stores_of_all_kinds_give_the_same_stream(
    stores: dict[str, Path], buffer: int
) -> None:
    first, *others = (list(ad.batches(s, buffer=buffer)) for s in stores.values())
    assert sorted(int(i) for b in first for i in b["galaxy_id"]) == list(range(COUNT))
    for other in others:
        assert all_same(iter(first), iter(other))


def test_epochs_follow_one_another(recipe: ad.Recipe) -> None:
    two = list(ad.batches(recipe, batch_size=40, epochs=2, epoch=3))
    each = [list(ad.batches(recipe, batch_size=40, epoch=e)) for e in (3, 4)]
    assert all_same(iter(two), iter(sum(each, start=[])))  # noqa: RUF017 # two of them
    endless = ad.batches(recipe, batch_size=40, epochs=None, epoch=3, start_step=4)
    assert all_same(iter(two[4:]), itertools.islice(endless, 2))


def test_splits_leave_no_galaxy_out_and_divide_no_group(source: Any) -> None:
    splits = {"train": 0.6, "test": 0.4}
    ids: list[int] = []
    for name in splits:
        found = joined(
            ad.batches(source, split=name, splits=splits, batch_size=7, split_seed=3)
        )
        own = found["galaxy_id"]
        assert {*ad.split_of(own, splits, 3).tolist()} == {name}
        ids += own.tolist()
    assert sorted(ids) == list(range(COUNT))


def test_a_split_reads_no_other_galaxies(
    stores: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    plain = os.preadv

    def noted(descriptor: int, buffers: Any, offset: int) -> int:
        read.append(plain(descriptor, buffers, offset))
        return read[-1]

    stream = ad.batches(stores["plain.zarr"], split="test", batch_size=COUNT)
    monkeypatch.setattr(os, "preadv", noted)
    found = joined(stream)
    # The index of a shard has four chunks, of 16 bytes each, and a checksum.
    images = sum(size for size in read if size != 4 * 16 + 4)
    assert images == found["input"].nbytes + found["target"].nbytes
    assert 0 < found["galaxy_id"].size < COUNT


def test_layers_and_filters_are_chosen(source: Any, simulated: xr.Dataset) -> None:
    names = simulated["filter"].values.tolist()
    chosen = [names[2], names[0]]
    for channels in ("last", "first"):
        found = joined(ad.batches(source, filters=chosen, channels=channels))
        for name in ("input", "target"):
            expected = simulated[name].values[found["galaxy_id"]][..., [2, 0]]
            if channels == "first":
                expected = np.moveaxis(expected, -1, 1)
            assert np.array_equal(found[name], expected)
            assert found[name].flags.c_contiguous


def test_augmented_pairs_are_turned_alike_with_their_truth(
    source: Any, simulated: xr.Dataset
) -> None:
    truth = ("asymmetry_angle", "offset_x", "position_angle")
    every = []
    for epoch in (0, 1):
        choices = {"seed": 9, "epoch": epoch, "augment": ("turn", "flip")}
        found = joined(ad.batches(source, truth=truth, batch_size=32, **choices))
        assert list(found) == ["input", "target", *BASE, *truth]
        ids = found["galaxy_id"]
        words = hashed(9, f"orientation {epoch}", ids)
        orientation = drawn(words, flip=True, turn=True)
        for name in ("input", "target"):
            turned = np.empty_like(found[name])
            upright = simulated[name].values[ids]
            orient(upright, orientation, np.arange(3), turned)
            assert np.array_equal(found[name], turned)
        names = (*truth, "offset_y")
        columns = {name: simulated[name].values[ids] for name in names}
        for name in truth:
            expected = oriented(columns, orientation)[name]
            assert np.array_equal(found[name], expected)
        every.append(orientation[np.argsort(ids)])
    assert not np.array_equal(*every)


def test_transforms_see_filters_last(recipe: ad.Recipe) -> None:
    plain = joined(ad.batches(recipe))
    scaling = ad.Standardise.of(ad.sample_statistics(recipe, galaxies=50))
    own = [ad.Asinh([1.0, 2.0, 3.0]), lambda images: images[..., :1] + 1]
    scaled = joined(ad.batches(recipe, transform=scaling, channels="first"))
    both = joined(ad.batches(recipe, transform=own, channels="first"))
    for name in ("input", "target"):
        expected = np.moveaxis(scaling(plain[name]), -1, 1)
        assert np.array_equal(scaled[name], expected)
    assert np.array_equal(both["input"], np.moveaxis(own[0](plain["input"]), -1, 1))
    assert np.array_equal(both["target"], plain["target"][..., 0][:, None] + 1)
    assert both["target"].flags.c_contiguous


def test_statistics_of_a_sample_are_those_of_its_pixels(source: Any) -> None:
    found = ad.sample_statistics(source, galaxies=40, batch_size=20, seed=5)
    batches = itertools.islice(ad.batches(source, batch_size=20, seed=5), 2)
    pixels = joined(batches)
    for name in ("input", "target"):
        one = found.sel(variable=name)
        values = pixels[name].astype(np.float64)
        assert np.allclose(one["mean"], values.mean(axis=(0, 1, 2)), rtol=1e-12)
        # A difference of two sums, of which the larger is some tens of the other.
        assert np.allclose(one["std"], values.std(axis=(0, 1, 2)), rtol=1e-9)


def test_a_kept_batch_keeps_its_values(recipe: ad.Recipe) -> None:
    stream = ad.batches(recipe, batch_size=10, epochs=3, prefetch=1)
    first = next(stream)
    kept, copied = first["input"][3], first["input"][3].copy()
    del first
    for batch in stream:
        assert not np.shares_memory(batch["input"], kept)
    assert np.array_equal(kept, copied)


def test_no_thread_is_left(source: Any) -> None:
    before = {t for t in threading.enumerate() if t.name.startswith("argdask")}
    stream = ad.batches(source, batch_size=8, threads=2)
    next(stream)
    del stream
    assert {t for t in threading.enumerate() if t.name.startswith("argdask")} == before


def test_fresh_galaxies_never_come_twice(recipe: ad.Recipe, seds: xr.DataArray) -> None:
    found = joined(ad.batches(recipe, fresh=True, epochs=3, split="train"))
    ids = found["galaxy_id"]
    every = ad.split_of(np.arange(3 * COUNT))
    assert sorted(ids.tolist()) == np.flatnonzero(every == "train").tolist()
    some = np.flatnonzero(ids >= COUNT)[:5]
    expected = ad.simulate(recipe, seds, ids[some])
    assert np.array_equal(found["input"][some], expected["input"])


def test_galaxies_of_a_table_and_their_groups(
    seds: xr.DataArray, tmp_path: Path
) -> None:
    ids = np.array([70, 3, 900, 41, 5, 6, 7, 8])
    table = {"galaxy_id": ids, "group": [4, 4, 5, 5, 6, 6, 7, 7]}
    recipe = ad.Recipe(image_shape=(16, 16), layout={"part": 4, "chunk": 2})
    ad.write(recipe, tmp_path / "own.zarr", seds=seds, catalogue=table)
    splits = {"a": 0.5, "b": 0.5}
    for source, more in [(recipe, {"catalogue": table}), (tmp_path / "own.zarr", {})]:
        found = {}
        for name in splits:
            told = {"split": name, "splits": splits, "truth": ("group",), **more}
            batches = list(ad.batches(source, **told))
            found[name] = [int(g) for b in batches for g in b["group"]]
            named = [int(i) for b in batches for i in b["galaxy_id"]]
            assert {*named} <= {*ids.tolist()}
        assert not {*found["a"]} & {*found["b"]}
        assert sorted(found["a"] + found["b"]) == table["group"]


def test_images_of_one_source_stay_together(seds: xr.DataArray, tmp_path: Path) -> None:
    stamps = np.random.default_rng(1).uniform(1, 2, (6, 12, 12))
    np.save(tmp_path / "stamps.npy", stamps)
    source = str(tmp_path / "stamps.npy")
    profile = {"name": "images", "source": source, "draw": "random"}
    recipe = ad.Recipe(galaxies=60, profile=profile, normalise="peak")
    images = {}
    for name in ("train", "test"):
        splits = {"train": 0.5, "test": 0.5}
        told = {"split": name, "splits": splits, "truth": ("image",), "seds": seds}
        found = joined(ad.batches(recipe, **told))
        images[name] = {*found["image"].tolist()}
    assert not images["train"] & images["test"]
    assert images["train"] | images["test"] == {*range(6)}


@pytest.mark.parametrize("name", ["begun.zarr", "begun.nc"])
def test_a_store_that_is_not_finished(
    name: str, seds: xr.DataArray, simulated: xr.Dataset, tmp_path: Path
) -> None:
    store = tmp_path / name
    ad.init(recipe_of(seds, layout={"part": 16, "chunk": 4}), store, seds=seds)
    ad.part(store, index=1, of=3)
    # Images without their truth are of no use.
    assert not list(ad.batches(store, incomplete=True))
    ad.part(store, index=0, of=3)
    with pytest.raises(ad.IncompleteError, match="galaxies are missing"):
        ad.batches(store)
    found = joined(ad.batches(store, incomplete=True, batch_size=10))
    ids = found["galaxy_id"]
    assert 0 < ids.size < COUNT
    assert np.array_equal(found["input"], simulated["input"].values[ids])


@pytest.mark.parametrize("kind", ["plain.zarr", "lz4.zarr", "plain.nc"])
def test_a_damaged_file_is_told_in_one_line(
    kind: str, stores: dict[str, Path], seds: xr.DataArray, tmp_path: Path
) -> None:
    layout = read_plan(stores[kind]).recipe.layout
    store = tmp_path / kind
    ad.write(recipe_of(seds, layout=layout), store, seds=seds)
    files = [*store.glob("input/c.2.*"), *store.glob("part-*2.nc")]
    assert len(files) == 1
    whole = files[0].read_bytes()
    for damage in (whole[: len(whole) // 2], b""):
        files[0].write_bytes(damage)
        with pytest.raises(ad.InputError, match="mend it by `argdask repair"):
            list(ad.batches(store, batch_size=8))
    files[0].unlink()
    with pytest.raises(ad.InputError, match="mend it by `argdask repair"):
        list(ad.batches(store, batch_size=8))


def test_columns_too_large_for_memory_are_read_when_wanted(
    stores: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("plain.zarr", "plain.nc"):
        told: dict[str, Any] = {"truth": ("flux_in", "template_name"), "batch_size": 20}
        kept = list(ad.batches(stores[name], **told))
        with monkeypatch.context() as patch:
            patch.setattr(loader_store, "_COLUMN_BYTES", 0)
            assert all_same(iter(kept), ad.batches(stores[name], **told))


def test_wrong_choices_are_told_in_one_line(
    recipe: ad.Recipe, stores: dict[str, Path], seds: xr.DataArray
) -> None:
    store = stores["plain.zarr"]
    oblong = ad.Recipe(galaxies=4, image_shape=(12, 16))
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (recipe, {"batchsize": 3}, r"batchsize: .*nearest: batch_size"),
        (recipe, {"batch_size": 0}, "batch_size: got 0, "),
        (recipe, {"seed": -1}, "seed: got -1, "),
        (recipe, {"split": "trian"}, r"split: got trian, .*nearest: train$"),
        (recipe, {"split": "val"}, r"validation, test; nearest: validation$"),
        (recipe, {"split": "dev"}, r"train, validation, test; choose one of them$"),
        (recipe, {"split": "a", "splits": {"a": 2.0}}, "splits: "),
        (recipe, {"rank": 2, "world_size": 2}, r"rank: got 2, .*below world_size"),
        (recipe, {"layers": "noisy"}, r"layers: got noisy, .*has: clean"),
        (recipe, {"layers": ("clean", "convolved")}, "layers: got convolved"),
        (store, {"layers": "convolved"}, "layers: got convolved"),
        (recipe, {"layers": "blurred"}, "layers: "),
        (recipe, {"filters": ["acs_wfc_f606"]}, r"filters: .*nearest: "),
        (store, {"filters": [*recipe.filters] * 2}, r"filters: .*each name once"),
        (store, {"truth": ["half_light"]}, r"truth: .*nearest: half_light_radius"),
        (oblong, {"augment": ["turn"]}, r"augment: got turn, .*use flip alone"),
        (recipe, {"augment": ["noise"]}, r"augment: got noise, .*layers='noisy'"),
        (store, {"augment": ["noise"]}, r"augment: got noise, .*layers='noisy'"),
        (recipe, {"augment": "turns"}, r"augment.*: got turns, "),
        (recipe, {"filters": []}, r"filters: .*at least one"),
        (recipe, {"epochs": True}, r"epochs: .*see `help\(argdask.batches\)`"),
        (recipe, {"transform": 3}, "transform: got 3, "),
        (store, {"fresh": True}, r"fresh: .*a recipe alone"),
        (store, {"seds": seds}, "seds: "),
        (ad.Recipe(), {"fresh": True, "catalogue": {"galaxy_id": [1]}}, "fresh: "),
        (3, {}, "source: got 3, "),
        (Path("nowhere.zarr"), {}, "nowhere"),
    ]
    for source, choices, message in cases:
        with pytest.raises(ad.InputError, match=message) as caught:
            ad.batches(source, **choices)
        assert "\n" not in str(caught.value)


def test_flips_alone_need_no_square(seds: xr.DataArray) -> None:
    oblong = ad.Recipe(galaxies=12, image_shape=(12, 16))
    found = joined(ad.batches(oblong, seds=seds, augment=["flip"]))
    assert found["input"].shape == (12, 12, 16, seds.sizes["filter"])


def test_one_name_is_a_list_of_one(recipe: ad.Recipe) -> None:
    assert recipe.filters is not None
    told = {"filters": recipe.filters[1], "truth": "magnitude", "augment": "flip"}
    listed = {name: [value] for name, value in told.items()}
    assert all_same(ad.batches(recipe, **told), ad.batches(recipe, **listed))


def test_the_module_is_found_by_its_name() -> None:
    assert ad.__getattr__("loaders").batches is ad.batches


def test_choices_have_defaults_that_are_choices() -> None:
    assert LoaderChoices().fractions["train"] == 0.8
    assert LoaderChoices(layers=("noisy", "clean")).layer("input") == "noisy"
