"""Tallies of pixels: made with each part, carried by receipts, folded when closing."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from argdask.statistics_kernels import BINS, BINS_PER_UNIT, STEPS, add_images
from argdask.store.plan import Plan

__all__ = [
    "MOST_HISTOGRAMS",
    "TALLIES",
    "Tallies",
    "Tally",
    "has_histogram",
    "softening_of",
]

# The file of a complete store with what its statistics are folded from.
TALLIES = "tallies.json"

# Near the noise of a pixel in a deep image of the Hubble Space Telescope [uJy].
_SOFTENING = 1e-3
MOST_HISTOGRAMS = 64

# Numbers of a tally in their order: names, and types in a receipt.
_EXTREMES = "<f4"
_SUMS = {"missing": "<u4", "sampled": "<u4", "sum": "<i8", "squares": "<i8"}


def softening_of(plan: Plan) -> float:
    """Return what pixels are divided by before their inverse hyperbolic sine is taken.

    Parameters
    ----------
    plan
        The store's plan.

    Returns
    -------
    float
        0.001 uJy per pixel in the unit of the images: times the scale.
    """
    return _SOFTENING * plan.scale


def has_histogram(plan: Plan, index: int) -> bool:
    """Return whether the histogram of a part is kept.

    Parameters
    ----------
    plan
        The store's plan.
    index
        Number of the part.

    Returns
    -------
    bool
        True for at most 64 parts, evenly over all. Those of a store that is extended
        are among those of the larger one, or are left out there.
    """
    few = -(-plan.parts // MOST_HISTOGRAMS)
    return index % (1 << (few - 1).bit_length()) == 0


@dataclass
class Tally:
    """What is known of the pixels of one part, by image variable and filter."""

    extremes: NDArray[np.float32]
    """Lowest and highest (variable, 2, filter)."""
    sums: NDArray[np.int64]
    """Counts and sums (variable, 4, filter), as `add_images` has them."""
    histogram: NDArray[np.int64]
    """Of asinh (variable, filter, bin); no bins where it is not kept."""

    @classmethod
    def empty(cls, variables: int, filters: int, *, histogram: bool) -> Self:
        """Return a tally of no pixel."""
        extremes = np.empty((variables, 2, filters), np.float32)
        extremes[:, 0], extremes[:, 1] = np.inf, -np.inf
        bins = BINS if histogram else 0
        return cls(
            extremes,
            np.zeros((variables, len(_SUMS), filters), np.int64),
            np.zeros((variables, filters, bins), np.int64),
        )

    def add(
        self, variable: int, images: NDArray[np.float32], first: int, softening: float
    ) -> None:
        """Add images of a variable, of which the first is in a row of the store."""
        own = self.extremes[variable], self.sums[variable], self.histogram[variable]
        add_images(images, first, softening, *own)

    def to_text(self) -> str:
        """Return the tally as a receipt carries it."""
        data = self.extremes.astype(_EXTREMES).tobytes()
        for number, kind in enumerate(_SUMS.values()):
            data += self.sums[:, number].astype(kind).tobytes()
        data += _packed(self.histogram)
        return base64.b85encode(zlib.compress(data)).decode()

    @classmethod
    def from_text(cls, text: str, variables: int, filters: int) -> Self:
        """Read what `to_text` returned; anything else is a ValueError."""
        try:
            data = zlib.decompress(base64.b85decode(text))
        except zlib.error as error:
            raise ValueError(f"no tally: {error}") from None
        many = variables * filters
        found = cls.empty(variables, filters, histogram=False)
        place = 2 * many * np.dtype(_EXTREMES).itemsize
        found.extremes[:] = np.frombuffer(data[:place], _EXTREMES).reshape(
            found.extremes.shape
        )
        for number, kind in enumerate(_SUMS.values()):
            size = many * np.dtype(kind).itemsize
            some = np.frombuffer(data[place : place + size], kind)
            found.sums[:, number] = some.reshape(variables, filters)
            place += size
        if data[place:]:
            found.histogram = _unpacked(data[place:], variables, filters)
        return found


def _packed(histogram: NDArray[np.int64]) -> bytes:
    """Return histograms from their first to their last pixel."""
    data = b""
    if not histogram.size:
        return data
    for counts in histogram.reshape(-1, BINS):
        there = np.flatnonzero(counts)
        low, high = (there[0], there[-1] + 1) if there.size else (0, 0)
        data += np.array([low, high], "<u2").tobytes()
        data += counts[low:high].astype("<u4").tobytes()
    return data


def _unpacked(data: bytes, variables: int, filters: int) -> NDArray[np.int64]:
    found = np.zeros((variables * filters, BINS), np.int64)
    for counts in found:
        low, high = np.frombuffer(data[:4], "<u2").astype(int)
        end = 4 + 4 * (high - low)
        counts[low:high] = np.frombuffer(data[4:end], "<u4")
        data = data[end:]
    return found.reshape(variables, filters, BINS)


@dataclass
class Tallies:
    """What is known of the pixels of a store, so that it can be extended.

    All numbers are exact, whatever the order in which they were added.
    """

    variables: int
    """Number of image variables."""
    filters: int
    """Number of filters."""
    whole: dict[str, Any] = field(default_factory=dict)
    """Extremes and sums of all parts that are full, as nested lists."""
    last: dict[str, Any] = field(default_factory=dict)
    """The same of the last part, where it is not full."""
    histograms: dict[int, str] = field(default_factory=dict)
    """Packed histograms by the number of their part."""

    def kept(self, plan: Plan) -> Self:
        """Return what an extension to a plan keeps: that of full parts."""
        chosen = {k: v for k, v in self.histograms.items() if has_histogram(plan, k)}
        if self.last:
            # The part that is not full is the last one, and is made again.
            chosen.pop(int(self.last["part"]), None)
        return type(self)(self.variables, self.filters, self.whole, {}, chosen)

    def add(self, plan: Plan, tallies: Iterable[tuple[int, Tally]]) -> None:
        """Add parts of a plan, each with its number."""
        for index, tally in tallies:
            start, stop = plan.rows_of_part(index)
            if stop - start == plan.part:
                self.whole = _sum_of(self.whole, tally)
            else:
                self.last = {"part": index, **_sum_of({}, tally)}
            if tally.histogram.size and has_histogram(plan, index):
                packed = base64.b85encode(_packed(tally.histogram))
                self.histograms[index] = packed.decode()

    def to_bytes(self) -> bytes:
        """Return the file."""
        fields = {
            "variables": self.variables,
            "filters": self.filters,
            "whole": self.whole,
            "last": self.last,
            "histograms": {str(k): self.histograms[k] for k in sorted(self.histograms)},
        }
        return json.dumps(fields).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read the file."""
        fields = json.loads(data)
        fields["histograms"] = {int(k): v for k, v in fields["histograms"].items()}
        return cls(**fields)

    def results(self, fractions: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
        """Return statistics (variable, filter), percentiles with one dimension more.

        Parameters
        ----------
        fractions
            Of the sampled pixels, for the percentiles, between 0 and 1.

        Returns
        -------
        dict
            Arrays by name; NaN where there is no pixel.
        """
        shape = self.variables, self.filters
        totals = [one for one in (self.whole, self.last) if one]
        lowest = np.min([one["lowest"] for one in totals], axis=0)
        highest = np.max([one["highest"] for one in totals], axis=0)
        count, total, squares = (
            np.sum([np.array(one[name], object) for one in totals], axis=0)
            for name in ("sampled", "sum", "squares")
        )
        mean, spread = np.full(shape, np.nan), np.full(shape, np.nan)
        percentile = np.full((*shape, fractions.size), np.nan)
        histogram = self._histogram()
        for place in np.ndindex(shape):
            n = int(count[place])
            if n:
                mean[place] = Fraction(total[place], n * STEPS)
                square = Fraction(squares[place] * n - total[place] ** 2, n * n)
                spread[place] = np.sqrt(float(square / STEPS**2))
            if histogram[place].any():
                percentile[place] = _percentiles(histogram[place], fractions)
        missing = np.sum([one["missing"] for one in totals], axis=0)
        return {
            "minimum": np.where(np.isfinite(lowest), lowest, np.nan),
            "maximum": np.where(np.isfinite(highest), highest, np.nan),
            "mean": mean,
            "standard_deviation": spread,
            "asinh_percentile": percentile,
            "missing": np.asarray(missing, np.int64),
        }

    def _histogram(self) -> NDArray[np.int64]:
        total = np.zeros((self.variables, self.filters, BINS), np.int64)
        for text in self.histograms.values():
            data = base64.b85decode(text)
            total += _unpacked(data, self.variables, self.filters)
        return total


def _sum_of(totals: Mapping[str, Any], tally: Tally) -> dict[str, Any]:
    """Add a part to totals, which may be empty, in whole numbers of any size."""
    lowest, highest = tally.extremes[:, 0], tally.extremes[:, 1]
    found: dict[str, Any] = {"parts": totals.get("parts", 0) + 1}
    sums = {name: tally.sums[:, k].astype(object) for k, name in enumerate(_SUMS)}
    if totals:
        lowest = np.minimum(lowest, np.array(totals["lowest"], np.float32))
        highest = np.maximum(highest, np.array(totals["highest"], np.float32))
        sums = {k: v + np.array(totals[k], object) for k, v in sums.items()}
    found |= {"lowest": lowest.tolist(), "highest": highest.tolist()}
    return found | {name: values.tolist() for name, values in sums.items()}


def _percentiles(
    counts: NDArray[np.int64], fractions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Find where fractions of all pixels lie, which are even within a bin."""
    edges = (np.arange(BINS + 1) - BINS // 2) / BINS_PER_UNIT
    below = np.concatenate([[0], np.cumsum(counts)])
    wanted = fractions * below[-1]
    bins = np.searchsorted(below[1:], wanted, side="left").clip(0, BINS - 1)
    inside = (wanted - below[bins]) / counts[bins]
    return np.asarray(edges[bins] + inside / BINS_PER_UNIT)
