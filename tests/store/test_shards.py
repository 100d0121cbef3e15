"""Chunks and shards: zarr reads as the array what is written here past zarr."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from argdask.store.files import record_of
from argdask.store.shards import compressor, write_chunk, write_shard

COMPRESSIONS = ("none", "lz4", "zstd")


def zarr_array(
    path: Path,
    values: NDArray[Any],
    compression: str,
    *,
    chunk: int,
    part: int | None,
) -> zarr.Array[Any]:
    """Describe an array to zarr as the store does, and write nothing of it."""
    return zarr.create_array(
        path,
        shape=values.shape,
        dtype=values.dtype,
        chunks=(chunk, *values.shape[1:]),
        shards=None if part is None else (part, *values.shape[1:]),
        compressors=compressor(compression, values.dtype.itemsize),
        filters=None,
        fill_value=np.nan if values.dtype.kind == "f" else -1,
        chunk_key_encoding={"name": "default", "separator": "."},
    )


def key_of(index: int, values: NDArray[Any]) -> str:
    return ".".join(["c", str(index), *["0"] * (values.ndim - 1)])


def padded(values: NDArray[Any], size: int) -> NDArray[Any]:
    """Return values filled up to a whole chunk."""
    fill = np.nan if values.dtype.kind == "f" else -1
    whole = np.full((size, *values.shape[1:]), fill, values.dtype)
    whole[: len(values)] = values
    return whole


def write_shards(
    path: Path, values: NDArray[Any], compression: str, *, chunk: int, part: int
) -> None:
    """Write all shards, the last chunk padded and the chunks behind it absent."""
    for index in range(-(-len(values) // part)):
        rows = values[index * part : (index + 1) * part]
        chunks = (
            padded(rows[start : start + chunk], chunk)
            for start in range(0, len(rows), chunk)
        )
        target = path / key_of(index, values)
        record = write_shard(target, chunks, part // chunk, compression)
        assert record == record_of(target)


def values_of(shape: tuple[int, ...], dtype: str, seed: int = 1) -> NDArray[Any]:
    """Return smooth values with some noise, so that they compress a little."""
    generator = np.random.default_rng(seed)
    values = np.linspace(0, 100, int(np.prod(shape))).reshape(shape)
    return (values + generator.normal(size=shape)).astype(dtype)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
@pytest.mark.parametrize("shape", [(40,), (40, 9), (40, 5, 7, 3)])
@pytest.mark.parametrize(
    ("chunk", "part"), [(4, 16), (16, 16), (1, 8), (8, 40), (64, 64)]
)
def test_zarr_reads_shards_as_the_array(
    tmp_path: Path,
    compression: str,
    dtype: str,
    shape: tuple[int, ...],
    chunk: int,
    part: int,
) -> None:
    values = values_of(shape, dtype)
    path = tmp_path / "array"
    array = zarr_array(path, values, compression, chunk=chunk, part=part)
    write_shards(path, values, compression, chunk=chunk, part=part)
    found = zarr.open_array(path, mode="r")
    np.testing.assert_array_equal(found[...], values)
    np.testing.assert_array_equal(array[37], values[37])
    assert found[3:21].dtype == values.dtype


@settings(max_examples=25)
@given(
    galaxies=st.integers(1, 50),
    chunk=st.integers(1, 9),
    chunks=st.integers(1, 6),
    compression=st.sampled_from(COMPRESSIONS),
)
def test_any_number_of_galaxies_fits_any_layout(
    tmp_path_factory: pytest.TempPathFactory,
    galaxies: int,
    chunk: int,
    chunks: int,
    compression: str,
) -> None:
    values = values_of((galaxies, 3, 2, 2), "float32", seed=galaxies)
    path = tmp_path_factory.mktemp("shards") / "array"
    part = chunk * chunks
    zarr_array(path, values, compression, chunk=chunk, part=part)
    write_shards(path, values, compression, chunk=chunk, part=part)
    found = zarr.open_array(path, mode="r")[...]
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("shape", [(32,), (32, 4), (32, 5, 7, 3)])
@pytest.mark.parametrize(("chunk", "part"), [(4, 16), (16, 16), (1, 8)])
def test_a_full_shard_without_compression_has_the_bytes_of_zarrs_own(
    tmp_path: Path, shape: tuple[int, ...], chunk: int, part: int
) -> None:
    # zarr puts inner chunks in Morton order where several axes are cut, here only one
    # is, so that this is the order of the rows. The bytes of compressed chunks are
    # those of whatever Blosc each package was built with; the test below says what
    # must hold for them.
    values = values_of(shape, "float32")
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for path in (ours, theirs):
        zarr_array(path, values, "none", chunk=chunk, part=part)
    write_shards(ours, values, "none", chunk=chunk, part=part)
    zarr.open_array(theirs, mode="r+")[...] = values
    for index in range(len(values) // part):
        key = key_of(index, values)
        assert (ours / key).read_bytes() == (theirs / key).read_bytes()


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_compressed_shard_is_about_as_small_as_zarrs_own(
    tmp_path: Path, compression: str
) -> None:
    values = values_of((32, 16, 16, 3), "float32")
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for path in (ours, theirs):
        zarr_array(path, values, compression, chunk=8, part=32)
    write_shards(ours, values, compression, chunk=8, part=32)
    zarr.open_array(theirs, mode="r+")[...] = values
    key = key_of(0, values)
    sizes = [(path / key).stat().st_size for path in (ours, theirs)]
    assert sizes[0] < values.nbytes
    # The same codec and settings: a percent leaves room for another build of Blosc.
    assert sizes[0] == pytest.approx(sizes[1], rel=0.01)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("shape", [(30,), (30, 9), (30, 5, 7, 3)])
def test_zarr_reads_chunks_as_the_array(
    tmp_path: Path, compression: str, shape: tuple[int, ...]
) -> None:
    values = values_of(shape, "float64")
    path = tmp_path / "array"
    zarr_array(path, values, compression, chunk=20, part=None)
    for index in range(2):
        target = path / key_of(index, values)
        rows = padded(values[20 * index : 20 * index + 20], 20)
        assert write_chunk(target, rows, compression) == record_of(target)
    np.testing.assert_array_equal(zarr.open_array(path, mode="r")[...], values)


def test_chunks_may_share_their_memory(tmp_path: Path) -> None:
    values = values_of((12, 2), "float32")
    path = tmp_path / "array"
    zarr_array(path, values, "zstd", chunk=4, part=12)
    memory = np.empty((4, 2), np.float32)

    def chunks() -> Any:
        for start in (0, 4, 8):
            memory[...] = values[start : start + 4]
            yield memory

    write_shard(path / "c.0.0", chunks(), 3, "zstd")
    np.testing.assert_array_equal(zarr.open_array(path, mode="r")[...], values)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_the_same_values_give_the_same_bytes(tmp_path: Path, compression: str) -> None:
    values = values_of((64, 8), "float32")
    records = {
        write_chunk(tmp_path / name, values.copy(), compression) for name in "abc"
    }
    assert len(records) == 1


def test_a_chunk_that_cannot_be_made_leaves_no_file(tmp_path: Path) -> None:
    def chunks() -> Any:
        yield np.zeros(4, np.float32)
        raise RuntimeError("the second chunk")

    with pytest.raises(RuntimeError, match="the second chunk"):
        write_shard(tmp_path / "c.0", chunks(), 2, "none")
    assert list(tmp_path.iterdir()) == []


def test_a_flipped_byte_of_the_index_is_found_by_zarr(tmp_path: Path) -> None:
    values = values_of((16,), "float32")
    path = tmp_path / "array"
    array = zarr_array(path, values, "none", chunk=4, part=16)
    write_shards(path, values, "none", chunk=4, part=16)
    shard = path / "c.0"
    data = bytearray(shard.read_bytes())
    data[-10] ^= 1
    shard.write_bytes(data)
    with pytest.raises(ValueError, match="checksum"):
        array[...]
