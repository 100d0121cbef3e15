"""Images: one stack in many formats, any rows in any order, flat memory, bad input."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from argdask.errors import InputError
from argdask.images import ImageStack, normalised, open_images

Stack = NDArray[np.float32]

COUNT, HEIGHT, WIDTH = 23, 7, 9


@pytest.fixture(scope="module")
def pixels() -> Stack:
    """Return images with a few invalid pixels."""
    random = np.random.default_rng(5)
    stack = random.normal(1.0, 0.5, (COUNT, HEIGHT, WIDTH)).astype(np.float32)
    stack[3, 2, 1] = np.nan
    stack[4, 0, 0] = np.inf
    stack[4, 6, 8] = -np.inf
    return stack


def write_npy(path: Path, stack: Stack) -> Path:
    np.save(path / "a.npy", stack)
    return path / "a.npy"


def write_big_endian(path: Path, stack: Stack) -> Path:
    np.save(path / "a.npy", stack.astype(">f4"))
    return path / "a.npy"


def write_columns_first(path: Path, stack: Stack) -> Path:
    np.save(path / "a.npy", np.asfortranarray(stack))
    return path / "a.npy"


def write_doubles(path: Path, stack: Stack) -> Path:
    np.save(path / "a.npy", stack.astype(np.float64))
    return path / "a.npy"


def write_zarr_array(path: Path, stack: Stack) -> Path:
    array = zarr.create_array(
        path / "a.zarr", shape=stack.shape, dtype="f4", chunks=(4, 7, 5)
    )
    array[...] = stack
    return path / "a.zarr"


def write_zarr_shards(path: Path, stack: Stack) -> Path:
    group = zarr.open_group(path / "a.zarr", mode="w", zarr_format=3)
    chunks = {"chunks": (2, HEIGHT, WIDTH), "shards": (8, HEIGHT, WIDTH)}
    array = group.create_array("images", shape=stack.shape, dtype="f4", **chunks)
    array[...] = stack
    group.create_array("label", shape=(COUNT,), dtype="i4")
    return path / "a.zarr"


def write_zarr_2(path: Path, stack: Stack) -> Path:
    group = zarr.open_group(path / "a.zarr", mode="w", zarr_format=2)
    array = group.create_array(
        "images", shape=stack.shape, dtype="f4", chunks=(5, 7, 9)
    )
    array[...] = stack
    return path / "a.zarr"


def labelled(stack: Stack) -> xr.Dataset:
    where = ("galaxy", "y", "x")
    return xr.Dataset(
        {"images": (where, stack), "ra": ("galaxy", np.arange(float(COUNT)))}
    )


def write_dataset(path: Path, stack: Stack) -> Path:
    labelled(stack).to_zarr(path / "a.zarr", consolidated=False)
    return path / "a.zarr"


def write_netcdf(path: Path, stack: Stack) -> Path:
    labelled(stack).to_netcdf(path / "a.nc", engine="netcdf4")
    return path / "a.nc"


def write_compressed(path: Path, stack: Stack) -> Path:
    encoding = {"images": {"zlib": True, "chunksizes": (6, HEIGHT, WIDTH)}}
    labelled(stack).to_netcdf(path / "a.nc", engine="netcdf4", encoding=encoding)
    return path / "a.nc"


def write_classic(path: Path, stack: Stack) -> Path:
    labelled(stack).to_netcdf(
        path / "a.nc", engine="netcdf4", format="NETCDF3_64BIT_OFFSET"
    )
    return path / "a.nc"


def write_folder(path: Path, stack: Stack) -> Path:
    for number, image in enumerate(stack):
        fits.PrimaryHDU(image).writeto(path / f"cutout-{number:03d}.fits")
    (path / "README.txt").write_text("not an image")
    return path


def write_masked(path: Path, stack: Stack) -> Path:
    """Masked pixels hold numbers, and the mask comes before the image."""
    for number, image in enumerate(stack):
        wrong = ~np.isfinite(image)
        hdus = [
            fits.PrimaryHDU(),
            fits.ImageHDU(
                wrong.astype(np.uint8) * 4, name="dq" if number % 2 else "MASK"
            ),
            fits.ImageHDU(np.where(wrong, 77, image), name="SCI"),
        ]
        end = "fits.gz" if number % 3 else "fits"
        fits.HDUList(hdus).writeto(path / f"cutout-{number:03d}.{end}")
    return path


FORMATS: list[Callable[[Path, Stack], Path]] = [
    write_npy,
    write_big_endian,
    write_columns_first,
    write_doubles,
    write_zarr_array,
    write_zarr_shards,
    write_zarr_2,
    write_dataset,
    write_netcdf,
    write_compressed,
    write_classic,
    write_folder,
    write_masked,
]


@pytest.fixture(params=FORMATS, ids=lambda write: write.__name__.removeprefix("write_"))
def stack(request: pytest.FixtureRequest, tmp_path: Path, pixels: Stack) -> ImageStack:
    """The same images in one format after the other."""
    return open_images(request.param(tmp_path, pixels))


def test_every_format_gives_the_same_pixels_and_hash(
    stack: ImageStack, pixels: Stack, tmp_path: Path
) -> None:
    assert (stack.count, len(stack), stack.shape) == (COUNT, COUNT, (HEIGHT, WIDTH))
    values, invalid = stack.read(np.arange(COUNT))
    np.testing.assert_array_equal(invalid, ~np.isfinite(pixels))
    np.testing.assert_array_equal(values, np.where(invalid, 0, pixels))
    assert values.dtype.isnative
    assert values.flags.c_contiguous
    (tmp_path / "other").mkdir()
    assert (
        stack.content_hash()
        == open_images(write_npy(tmp_path / "other", pixels)).content_hash()
    )


def test_any_rows_have_the_same_bits_in_any_batch(stack: ImageStack) -> None:
    every, every_invalid = stack.read(range(COUNT))
    rows = [22, 3, 3, 0, 4, 21, 3]
    values, invalid = stack.read(rows)
    assert values.tobytes() == every[rows].tobytes()
    assert invalid.tobytes() == every_invalid[rows].tobytes()
    for row in (0, 4):
        assert stack.read([row])[0].tobytes() == every[row].tobytes()
    assert stack.read([])[0].shape == (0, HEIGHT, WIDTH)


def test_stacks_go_to_other_processes_and_folders(
    tmp_path: Path, pixels: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stacks = []
    for write in FORMATS:
        folder = tmp_path / write.__name__
        folder.mkdir()
        monkeypatch.chdir(folder)
        stacks.append(open_images(write(Path(), pixels)))
    sent = pickle.dumps(stacks)
    assert len(sent) < 2_000 * len(stacks)
    code = """
import pickle, sys
stacks = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(pickle.dumps([(one.names, one.read([5, 2])) for one in stacks]))
"""
    there = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        input=sent,
        check=True,
        capture_output=True,
        cwd=tmp_path,
    )
    for stack, (names, (values, _)) in zip(
        stacks, pickle.loads(there.stdout), strict=True
    ):
        assert values.tobytes() == stack.read([5, 2])[0].tobytes()
        assert names == stack.names


def test_threads_share_a_stack(stack: ImageStack) -> None:
    expected = [stack.read([row])[0].tobytes() for row in range(COUNT)]
    with ThreadPoolExecutor(4) as threads:
        found = threads.map(lambda row: stack.read([row])[0].tobytes(), range(COUNT))
    assert list(found) == expected


@given(rows=st.lists(st.integers(0, 199), max_size=40), chunk=st.integers(1, 50))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_runs_of_rows_are_those_rows(
    tmp_path: Path, rows: list[int], chunk: int
) -> None:
    stack = np.arange(200 * 6, dtype=np.float32).reshape(200, 2, 3)
    path = tmp_path / f"{chunk}.zarr"
    if not path.exists():
        zarr.create_array(path, data=stack, chunks=(chunk, 2, 3))
    values, _ = open_images(path).read(rows)
    np.testing.assert_array_equal(values, stack[rows])


def test_hash_knows_pixels_masks_shape_and_order(tmp_path: Path, pixels: Stack) -> None:
    def hash_of(stack: NDArray[Any]) -> str:
        np.save(tmp_path / "b.npy", stack)
        return open_images(tmp_path / "b.npy").content_hash()

    changed = pixels.copy()
    changed[9, 1, 1] = np.nextafter(changed[9, 1, 1], np.float32(9))
    zeroed = np.where(np.isfinite(pixels), pixels, 0)
    variants = [
        pixels,
        changed,
        zeroed,
        pixels[::-1],
        pixels[:-1],
        pixels.reshape(COUNT, WIDTH, HEIGHT),
    ]
    # The same file name each time: the cache sees that the file has changed.
    assert len({hash_of(variant) for variant in variants}) == len(variants)


def test_hash_does_not_depend_on_the_size_of_its_blocks(
    tmp_path: Path, pixels: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    from argdask import images as module

    stack = open_images(write_npy(tmp_path, pixels))
    whole = stack.content_hash()
    monkeypatch.setattr(module, "_PIXELS_AT_ONCE", 5 * HEIGHT * WIDTH)
    assert stack._digest() == whole
    monkeypatch.setattr(stack.source.__class__, "read", None)
    assert stack.content_hash() == module.ImageStack(stack.source).content_hash()


def test_names_of_files_lead_to_rows(tmp_path: Path, pixels: Stack) -> None:
    stack = open_images(write_folder(tmp_path, pixels))
    assert stack.names[:2] == ("cutout-000.fits", "cutout-001.fits")
    names = ["cutout-004.fits", "cutout-000.fits", "cutout-004.fits"]
    assert stack.rows_of(names).tolist() == [4, 0, 4]
    assert stack.rows_of(np.array([2, 0], np.uint8)).tolist() == [2, 0]
    with pytest.raises(InputError, match=r"cutout-4\.fits.*: .*cutout-004"):
        stack.rows_of(["cutout-4.fits"])


def test_a_worker_need_not_look_at_every_file(tmp_path: Path, pixels: Stack) -> None:
    stack = open_images(write_masked(tmp_path, pixels))
    trusted = open_images(tmp_path, check=False)
    assert trusted == stack
    assert trusted._digest() == stack.content_hash()
    name = stack.names[4]
    (tmp_path / name).unlink()
    fits.PrimaryHDU(np.ones((2, 2))).writeto(tmp_path / name)
    trusted = open_images(tmp_path, check=False)
    assert trusted.read([3])[0].tobytes() == stack.read([3])[0].tobytes()
    with pytest.raises(InputError, match=f"{name}, expected an image of shape"):
        trusted.read([3, 4])


@pytest.mark.parametrize("dtype", ["u1", "i2", ">u2", "f2", "i4", "u8", ">f8"])
def test_every_real_dtype_is_read_exactly(tmp_path: Path, dtype: str) -> None:
    stack = np.arange(24).reshape(2, 3, 4).astype(dtype)
    np.save(tmp_path / "a.npy", stack)
    values, _ = open_images(tmp_path / "a.npy").read([1, 0])
    expected = np.float32 if np.dtype(dtype).itemsize <= 2 else np.float64
    assert values.dtype == expected
    np.testing.assert_array_equal(values, stack[::-1])


def test_scaled_whole_numbers_are_read_as_what_they_stand_for(tmp_path: Path) -> None:
    stack = np.linspace(0, 3, 2 * 3 * 4).reshape(2, 3, 4)
    stack[0, 1, 1] = np.nan
    packing = {"dtype": "i2", "scale_factor": 1e-3, "_FillValue": -9}
    dataset = xr.Dataset({"images": (("galaxy", "y", "x"), stack)})
    dataset.to_netcdf(tmp_path / "a.nc", engine="netcdf4", encoding={"images": packing})
    dataset.to_zarr(
        tmp_path / "a.zarr", encoding={"images": packing}, consolidated=False
    )
    (tmp_path / "folder").mkdir()
    for number, image in enumerate(stack):
        whole = np.where(np.isnan(image), -9, np.rint(image / 1e-3)).astype("i2")
        hdu = fits.PrimaryHDU(whole)
        hdu.header.update(BSCALE=1e-3, BLANK=-9)
        hdu.writeto(tmp_path / "folder" / f"{number}.fits")
    for name in ("a.nc", "a.zarr", "folder"):
        values, invalid = open_images(tmp_path / name).read([0, 1])
        np.testing.assert_array_equal(invalid, np.isnan(stack))
        np.testing.assert_allclose(values, np.where(invalid, 0, stack), atol=6e-4)


def test_compressed_cutouts_are_images(tmp_path: Path) -> None:
    image = np.arange(400, dtype=np.int16).reshape(20, 20)
    hdus = [fits.PrimaryHDU(), fits.CompImageHDU(image)]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits.fz")
    stack = open_images(tmp_path)
    assert stack.shape == (20, 20)
    np.testing.assert_array_equal(stack.read([0])[0][0], image)


@pytest.mark.parametrize("how", ["peak", "flux"])
def test_normalised_images_do_not_depend_on_the_batch(pixels: Stack, how: Any) -> None:
    invalid = ~np.isfinite(pixels)
    stamps, counts = normalised(pixels, invalid, how)
    assert stamps.dtype == np.float32
    assert counts.tolist() == [0, 0, 0, 1, 2, *[0] * (COUNT - 5)]
    assert not stamps[invalid].any()
    total = stamps.max(axis=(1, 2)) if how == "peak" else stamps.sum(axis=(1, 2))
    np.testing.assert_allclose(total, 1, rtol=1e-6)
    for rows in ([4], [22, 3, 3], np.arange(COUNT)[::-1]):
        # Every second image of a larger array: strides must not matter either.
        apart = np.repeat(pixels[rows], 2, axis=0)[::2]
        alone, _ = normalised(apart, invalid[rows], how)
        assert alone.tobytes() == stamps[rows].tobytes()
        columns_first = np.asfortranarray(pixels[rows])
        again, _ = normalised(columns_first, invalid[rows], how)
        assert again.tobytes() == stamps[rows].tobytes()


def test_peak_of_a_stamp_is_exactly_one_and_leaves_out_the_masked() -> None:
    image = np.array([[[1.0, 900.0], [3.0, -2.0]]])
    stamps, counts = normalised(image, image > 100, "peak")
    np.testing.assert_array_equal(stamps[0], np.float32([[1 / 3, 0], [1, -2 / 3]]))
    assert counts.tolist() == [1]
    assert image[0, 0, 1] == 900


@pytest.mark.parametrize(
    ("image", "how", "message"),
    [
        ([[np.nan, np.nan]], "peak", "image 7: expected a valid pixel"),
        ([[-1.0, -2.0]], "peak", "image 7 with a brightest pixel of -1"),
        ([[0.0, 0.0]], "peak", "image 7 with a brightest pixel of 0"),
        ([[np.nan, -2.0]], "peak", "image 7 with a brightest pixel of -2"),
        ([[1.0, -1.0]], "flux", "image 7 with a sum of 0"),
        ([[1.0, -3.0]], "flux", "image 7 with a sum of -2"),
        ([[1e308, 1e308]], "flux", "image 7 with a sum of inf"),
        ([[1e300, 1.0 - 1e300]], "flux", "image 7 with a sum of 0"),
        ([[1.0, 2.0]], "sum", "expected peak or flux"),
    ],
)
def test_images_that_cannot_be_normalised(image: Any, how: Any, message: str) -> None:
    stack = np.array([np.ones((1, 2)), image])
    with pytest.raises(InputError) as caught:
        normalised(stack, np.zeros(stack.shape, bool), how, names=["6", "7"])
    told = str(caught.value)
    assert message.replace(": expected", ", expected") in told
    assert "\n" not in told


def _save(path: Path, *shape: int, dtype: str = "f4", name: str = "a.npy") -> Path:
    np.save(path / name, np.ones(shape, dtype))
    return path / name


def _text(path: Path) -> Path:
    (path / "a.npy").write_text("galaxies")
    return path / "a.npy"


def _objects(path: Path) -> Path:
    np.save(path / "a.npy", np.full((2, 3, 3), None), allow_pickle=True)
    return path / "a.npy"


def _cut_npy(path: Path) -> Path:
    file = _save(path, 4, 5, 5)
    file.write_bytes(file.read_bytes()[:-10])
    return file


def _archive(path: Path) -> Path:
    np.savez(path / "a.npz", np.ones((2, 3, 3)))
    return path / "a.npz"


def _cutouts(path: Path, *images: NDArray[Any]) -> Path:
    for number, image in enumerate(images):
        fits.PrimaryHDU(image).writeto(path / f"{number}.fits")
    return path


def _cut_fits(path: Path) -> Path:
    _cutouts(path, *np.ones((3, 40, 40)))
    (path / "1.fits").write_bytes((path / "1.fits").read_bytes()[:-5760])
    return path


def _no_fits(path: Path) -> Path:
    _cutouts(path, *np.ones((2, 4, 4)))
    (path / "2.fits").write_text("SIMPLE lies")
    return path


def _table_fits(path: Path) -> Path:
    _cutouts(path, *np.ones((2, 4, 4)))
    column = fits.Column("a", "D", array=np.ones(3))
    fits.BinTableHDU.from_columns([column]).writeto(path / "2.fits")
    return path


def _wrong_mask(path: Path) -> Path:
    mask = fits.ImageHDU(np.zeros((3, 4), np.uint8), name="MASK")
    fits.HDUList([fits.PrimaryHDU(np.ones((4, 4))), mask]).writeto(path / "0.fits")
    return path


def _netcdf(path: Path, **variables: Any) -> Path:
    dims = ("n", "y", "x", "c")
    data = {name: (dims[: one.ndim], one) for name, one in variables.items()}
    xr.Dataset(data).to_netcdf(path / "a.nc", engine="netcdf4")
    return path / "a.nc"


def _cut_netcdf(path: Path) -> Path:
    file = _netcdf(path, images=np.ones((4, 20, 20)))
    file.write_bytes(file.read_bytes()[:5000])
    return file


def _cut_zarr(path: Path) -> Path:
    zarr.create_array(path / "a.zarr", data=np.ones((4, 5, 5)))
    (path / "a.zarr" / "zarr.json").write_text("{")
    return path / "a.zarr"


def _zarr_of_text(path: Path) -> Path:
    zarr.create_array(path / "a.zarr", shape=(4, 5, 5), dtype="string")
    return path / "a.zarr"


ONES = np.ones((3, 4, 4))
BAD: list[tuple[str, Callable[[Path], Path], str | None, str]] = [
    ("missing", lambda p: p / "none.npy", None, "no such file.*check the path"),
    ("text", _text, None, "expected .npy, Zarr, netCDF.*convert it"),
    ("archive", _archive, None, r"a\.npz.*numpy\.save"),
    ("objects", _objects, None, r"a readable \.npy file"),
    ("cut npy", _cut_npy, None, r"a readable \.npy file"),
    ("one image", lambda p: _save(p, 5, 5), None, r"shape \(5, 5\).*stack"),
    ("cube", lambda p: _save(p, 2, 5, 5, 3), None, "one band"),
    ("no images", lambda p: _save(p, 0, 5, 5), None, "at least one image"),
    ("no pixels", lambda p: _save(p, 5, 5, 0), None, "at least one image"),
    ("complex", lambda p: _save(p, 2, 5, 5, dtype="c8"), None, "real numbers"),
    ("bool", lambda p: _save(p, 2, 5, 5, dtype="?"), None, "dtype bool"),
    ("times", lambda p: _save(p, 2, 5, 5, dtype="M8[s]"), None, "real numbers"),
    ("variable of npy", lambda p: _save(p, 2, 5, 5), "images", "leave it out"),
    ("empty folder", lambda p: p, None, "no FITS files"),
    ("other shape", lambda p: _cutouts(p, *ONES, ONES[0, :3]), None, r"3\.fits of sha"),
    ("FITS cube", lambda p: _cutouts(p, ONES), None, "0.fits of shape.*one band"),
    ("FITS line", lambda p: _cutouts(p, ONES[0, 0]), None, r"one image \(y, x\)"),
    ("cut FITS", _cut_fits, None, r"1\.fits, expected a readable FITS image"),
    ("no FITS", _no_fits, None, r"2\.fits, expected a readable FITS image"),
    ("table", _table_fits, None, r"2\.fits, expected an image in it"),
    ("mask", _wrong_mask, None, r"0\.fits\[MASK\] of shape \(3, 4\)"),
    ("one FITS", lambda p: _cutouts(p, ONES) / "0.fits", None, "a file of its own"),
    ("variable of FITS", lambda p: _cutouts(p, *ONES), "a", "leave it out"),
    ("cut netCDF", _cut_netcdf, None, "a readable netCDF file"),
    ("two stacks", lambda p: _netcdf(p, a=ONES, b=ONES), None, "name one of a, b"),
    ("unknown", lambda p: _netcdf(p, images=ONES), "image", "nearest: images"),
    ("4-D", lambda p: _netcdf(p, a=np.ones((2, 3, 3, 2))), None, "one band"),
    ("2-D", lambda p: _netcdf(p, a=ONES[0]), None, r"a variable \(image, y, x\)"),
    ("named 2-D", lambda p: _netcdf(p, a=ONES[0]), "a", "three axes"),
    ("cut Zarr", _cut_zarr, None, "a readable Zarr array or group"),
    ("Zarr of text", _zarr_of_text, None, "real numbers"),
]


@pytest.mark.parametrize(
    ("write", "variable", "message"),
    [case[1:] for case in BAD],
    ids=[case[0] for case in BAD],
)
def test_bad_input_is_told_in_one_line(
    tmp_path: Path,
    write: Callable[[Path], Path],
    variable: str | None,
    message: str,
) -> None:
    path = write(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        open_images(path, variable=variable)
    told = str(caught.value)
    assert "\n" not in told
    assert told.startswith("images")
    assert "expected" in told
    assert ";" in told


@pytest.mark.parametrize("rows", [[-1], [0, COUNT], [1.5], [True]])
def test_rows_that_are_not_there(tmp_path: Path, pixels: Stack, rows: Any) -> None:
    with pytest.raises(InputError, match=r"^image: "):
        open_images(write_npy(tmp_path, pixels)).read(rows)


def test_a_cutout_that_changes_is_told(tmp_path: Path, pixels: Stack) -> None:
    stack = open_images(write_folder(tmp_path, pixels))
    (tmp_path / stack.names[1]).unlink()
    fits.PrimaryHDU(np.ones((2, 2))).writeto(tmp_path / stack.names[2], overwrite=True)
    for row in (1, 2):
        with pytest.raises(InputError, match=stack.names[row]):
            stack.read([row])


def test_memory_stays_flat(tmp_path: Path) -> None:
    path = tmp_path / "sparse.npy"
    shape = (140_000, 60, 60)  # 2 GB, of which the file system keeps what is written
    stack = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    touched = np.arange(0, shape[0], 997)
    stack[touched] = touched[:, None, None] + 1
    del stack
    code = """
import re, sys
from pathlib import Path
import numpy as np
from argdask.images import normalised, open_images

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

images = open_images(sys.argv[1])
images.read([0])
before = peak()
rows = np.arange(0, images.count, 997)
for start in range(0, rows.size, 32):
    batch = rows[start : start + 32]
    values, invalid = images.read(batch)
    assert (values[:, 0, 0] == batch + 1).all()
    normalised(values, invalid, "peak")
images.content_hash()
print(peak() - before)
"""
    grown = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert not grown.stderr
    assert int(grown.stdout) < 150_000  # kB; the stack has 2 million
