"""Where galaxy images come from: .npy, Zarr, netCDF, folders of FITS cut-outs.

Opening looks at headers; pixels are read a few images at a time, and nothing that was
read is kept.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import DTypeLike, NDArray

from argdask.errors import InputError, nearest

__all__ = ["ImageSource", "find_images"]

Rows = NDArray[np.int64]
Values = NDArray[Any]
Mask = NDArray[np.bool_]

_KINDS = ".npy, Zarr, netCDF, or a folder of FITS cut-outs"
_ONE_BAND = (
    "give one band of each galaxy: every band would need a stamp of its own, and the "
    "SED grid makes the others"
)
_FITS_SUFFIXES = (".fits", ".fit", ".fts", ".fits.gz", ".fit.gz", ".fits.fz")
_MASKS = ("MASK", "DQ")
_ZARR_FILES = ("zarr.json", ".zarray", ".zgroup", ".zmetadata")


class ImageSource(Protocol):
    """Images in files: what is known of them, and how to read some."""

    @property
    def path(self) -> Path:
        """The absolute path."""

    @property
    def label(self) -> str:
        """What to call them in a message."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of images, and their rows and columns."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of float that holds every pixel."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """The name of each image; none where they only have numbers."""

    def read(self, rows: Rows) -> tuple[Values, Mask | None]:
        """Return images (image, y, x), and a mask where there is one.

        Parameters
        ----------
        rows
            Which ones: at least one, ascending, each once.

        Returns
        -------
        tuple
            Pixels in any real dtype, and which are masked (image, y, x).
        """


def find_images(path: Path, variable: str | None, check: bool) -> ImageSource:
    """Find out what holds images and how to read them.

    Parameters
    ----------
    path
        A file or a folder.
    variable
        Name of the variable in a Zarr group or a netCDF file; left out: the only one
        with three dimensions.
    check
        Whether to look at every cut-out of a folder, or only at the first.

    Returns
    -------
    ImageSource
        The images; of the files only headers were read.

    Raises
    ------
    InputError
        There is nothing there, or something else than images of one shape in one band.
    """
    path = path.expanduser().absolute()
    if path.is_dir():
        if any((path / name).exists() for name in _ZARR_FILES):
            return _open_zarr(path, variable)
        _refuse_variable(path, variable)
        return _open_folder(path, check)
    if not path.is_file():
        raise InputError("images", f"{path} (no such file)", _KINDS, "check the path")
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(b"\x93NUMPY"):
        _refuse_variable(path, variable)
        return _open_npy(path)
    if start.startswith((b"\x89HDF\r\n\x1a\n", b"CDF")):
        return _open_netcdf(path, variable)
    cure = "convert it"
    if start.startswith(b"SIMPLE"):
        cure = "put each cut-out in a file of its own and give their folder"
    elif start.startswith(b"PK"):
        cure = "save the one array with numpy.save, or unpack the archive"
    raise InputError("images", str(path), _KINDS, cure)


def _refuse_variable(path: Path, variable: str | None) -> None:
    if variable is not None:
        expected = f"no variable, as {path.name} has none"
        raise InputError("images.variable", variable, expected, "leave it out")


@contextmanager
def _readable(path: Path, what: str) -> Iterator[None]:
    """Tell in one line what the libraries that read files say in many ways."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        cure = f"copy it again or make it anew ({reason[:200]})"
        raise InputError("images", str(path), f"a readable {what}", cure) from error


def _checked(label: str, shape: tuple[int, ...], dtype: DTypeLike) -> None:
    """Refuse an array that is not a stack of images in one band."""
    if len(shape) > 3:
        expected = "one image for each galaxy (image, y, x)"
        raise InputError("images", f"{label} of shape {shape}", expected, _ONE_BAND)
    if len(shape) < 3:
        cure = "stack the images along a first axis"
        expected = "three axes (image, y, x)"
        raise InputError("images", f"{label} of shape {shape}", expected, cure)
    if 0 in shape:
        found = f"{label} of shape {shape}"
        raise InputError("images", found, "at least one image with pixels", "add some")
    dtype = np.dtype(dtype)
    if dtype.kind not in "fiu" or dtype.itemsize > 8:
        found = f"{label} of dtype {dtype}"
        raise InputError("images", found, "real numbers", "convert them to float32")


def _float_of(dtype: DTypeLike) -> np.dtype[Any]:
    """Return float32 where it holds every value of a dtype, else float64."""
    return np.promote_types(dtype, np.float32)


# One file of numpy.


@dataclass(frozen=True)
class _Npy:
    path: Path
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    names: None = None

    @property
    def label(self) -> str:
        return self.path.name

    def read(self, rows: Rows) -> tuple[Values, None]:
        with _readable(self.path, ".npy file"):
            # Mapped anew each time: pages of a map that stays count as memory in use.
            stack = np.load(self.path, mmap_mode="r", allow_pickle=False)
            return stack[rows], None


def _open_npy(path: Path) -> _Npy:
    with _readable(path, ".npy file"):
        stack = np.load(path, mmap_mode="r", allow_pickle=False)
    _checked(path.name, stack.shape, stack.dtype)
    return _Npy(path, stack.shape, _float_of(stack.dtype))


# Variables of Zarr and netCDF.


@dataclass(frozen=True)
class _Gridded:
    """A lazy variable; xarray's and zarr's own pickles open the file again."""

    path: Path
    label: str
    variable: Any
    chunk: int
    dtype: np.dtype[Any]
    names: None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        count, height, width = self.variable.shape
        return count, height, width

    def read(self, rows: Rows) -> tuple[Values, None]:
        with _readable(self.path, "file"):
            # Rows of one chunk, or next to each other, are read together: netCDF would
            # decompress a chunk once for each row.
            apart = (np.diff(rows) > 1) & (np.diff(rows // self.chunk) > 0)
            runs = np.split(rows, np.flatnonzero(apart) + 1)
            values = np.empty((rows.size, *self.shape[1:]), self.dtype)
            start = 0
            for run in runs:
                block = np.asarray(self.variable[run[0] : run[-1] + 1])
                values[start : start + run.size] = block[run - run[0]]
                start += run.size
            return values, None


def _gridded(path: Path, name: str, variable: Any, chunk: int) -> _Gridded:
    label = f"{name} in {path.name}" if name else path.name
    _checked(label, variable.shape, variable.dtype)
    dtype = _float_of(variable.dtype)
    return _Gridded(path, label, variable, max(1, chunk), dtype)


def _open_zarr(path: Path, variable: str | None) -> _Gridded:
    import zarr  # noqa: PLC0415  # only those who bring Zarr images wait for it

    with _readable(path, "Zarr array or group"):
        node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        _refuse_variable(path, variable)
        return _gridded(path, "", node, node.chunks[0] if node.chunks else 1)
    with _readable(path, "Zarr group"):
        arrays = dict(node.arrays())
    name = _chosen(path, {key: one.shape for key, one in arrays.items()}, variable)
    array = arrays[name]
    named = getattr(array.metadata, "dimension_names", None)
    if not named and "_ARRAY_DIMENSIONS" not in array.attrs:
        return _gridded(path, name, array, array.chunks[0])
    # As xarray shows it: with its scale factor, and NaN where nothing was written.
    with _readable(path, "Zarr group"):
        dataset = xr.open_dataset(
            path,
            engine="zarr",
            consolidated=False,
            decode_times=False,
            drop_variables=[other for other in arrays if other != name],
            cache=False,
        )
    return _gridded(path, name, dataset.variables[name], array.chunks[0])


def _open_netcdf(path: Path, variable: str | None) -> _Gridded:
    with _readable(path, "netCDF file"):
        dataset = xr.open_dataset(
            path, engine="netcdf4", decode_times=False, cache=False
        )
    shapes = {str(name): one.shape for name, one in dataset.variables.items()}
    name = _chosen(path, shapes, variable)
    found = dataset.variables[name]
    chunks = found.encoding.get("chunksizes") or (1,)
    return _gridded(path, name, found, int(chunks[0]))


def _chosen(
    path: Path, shapes: dict[str, tuple[int, ...]], variable: str | None
) -> str:
    """Return the named variable, or the only one that can be images."""
    field = "images.variable"
    if variable is not None:
        if variable not in shapes:
            near = nearest(variable, shapes) or "there is none"
            expected = f"a variable of {path.name}"
            raise InputError(field, variable, expected, f"nearest: {near}")
        return variable
    stacks = [name for name, shape in shapes.items() if len(shape) == 3]
    if len(stacks) == 1:
        return stacks[0]
    if stacks:
        cure = f"name one of {', '.join(stacks)}"
        found = f"{path.name} with {len(stacks)} of them"
        raise InputError(field, found, "one variable (image, y, x)", cure)
    cubes = [name for name, shape in shapes.items() if len(shape) > 3]
    if cubes:
        _checked(f"{cubes[0]} in {path.name}", shapes[cubes[0]], np.float32)
    found = f"{path.name} with {', '.join(shapes) or 'none'}"
    cure = "give a file that has one"
    raise InputError(field, found, "a variable (image, y, x)", cure)


# Folders of FITS.


@dataclass(frozen=True)
class _Folder:
    path: Path
    names: tuple[str, ...]
    shape: tuple[int, int, int]

    @property
    def dtype(self) -> np.dtype[Any]:
        # The same whatever the other files hold, so that they need not be looked at.
        return np.dtype(np.float64)

    @property
    def label(self) -> str:
        return self.path.name

    def read(self, rows: Rows) -> tuple[Values, Mask]:
        values = np.empty((rows.size, *self.shape[1:]), self.dtype)
        masks = np.empty(values.shape, bool)
        for place, row in enumerate(rows):
            self._read_one(self.path / self.names[row], values[place], masks[place])
        return values, masks

    def _read_one(self, path: Path, values: Values, mask: Mask) -> None:
        import astropy.io.fits  # noqa: PLC0415

        with (
            _readable(path, "FITS image"),
            astropy.io.fits.open(path, memmap=False) as file,
        ):
            image, masking = _extensions(file)
            shapes = {one.shape for one in (image, masking) if one is not None}
            if image is None or shapes != {values.shape}:
                cure = "cut all images and masks to one size"
                expected = f"an image of shape {values.shape}"
                raise InputError("images", str(path), expected, cure)
            values[...] = image.data
            mask[...] = False if masking is None else masking.data != 0


def _open_folder(path: Path, check: bool) -> _Folder:
    files = (file.name for file in path.iterdir() if not file.name.startswith("."))
    names = sorted(name for name in files if name.lower().endswith(_FITS_SUFFIXES))
    if not names:
        expected = f"a folder with files {', '.join(_FITS_SUFFIXES[:2])}, or a Zarr"
        raise InputError("images", f"{path} (no FITS files)", expected, "check it")
    shape = _shape(path / names[0])
    for name in names[1:] if check else ():
        other = _shape(path / name)
        if other != shape:
            found = f"{name} of shape {other}"
            expected = f"shape {shape}, which {names[0]} has"
            cure = "cut all images to one size"
            raise InputError("images", found, expected, cure)
    return _Folder(path, tuple(names), (len(names), *shape))


def _shape(path: Path) -> tuple[int, int]:
    """Return the shape of a cut-out, from its headers."""
    # It takes half a second to import, which other images can do without.
    import astropy.io.fits  # noqa: PLC0415
    from astropy.utils.exceptions import AstropyUserWarning  # noqa: PLC0415

    with (
        warnings.catch_warnings(record=True) as told,
        _readable(path, "FITS image"),
    ):
        warnings.simplefilter("always", AstropyUserWarning)
        with astropy.io.fits.open(path, memmap=False) as file:
            image, masking = _extensions(file)
            # Raised as an error, the warning would leave the file open.
            if any("truncated" in str(one.message) for one in told):
                raise OSError("it has been cut short")
            if image is None:
                cure = "take it out of the folder"
                raise InputError("images", path.name, "an image in it", cure)
            if len(image.shape) != 2:
                found = f"{path.name} of shape {image.shape}"
                cure = _ONE_BAND if len(image.shape) > 2 else "take it out"
                raise InputError("images", found, "one image (y, x)", cure)
            if masking is not None and masking.shape != image.shape:
                found = f"{path.name}[{masking.name}] of shape {masking.shape}"
                cure = "cut mask and image alike"
                raise InputError("images", found, f"shape {image.shape}", cure)
            height, width = image.shape
            return height, width


def _extensions(file: Any) -> tuple[Any, Any]:
    """Return the first image of a FITS file and its mask, or none."""
    images = [one for one in file if one.is_image and one.header.get("NAXIS", 0)]
    masks = [one for one in images if one.name in _MASKS]
    images = [one for one in images if one.name not in _MASKS]
    return images[0] if images else None, masks[0] if masks else None
