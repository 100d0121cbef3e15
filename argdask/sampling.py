"""Distributions as inverse CDFs, and the random words by identity that they read.

Every draw is one 64-bit word that belongs to (seed, column, galaxy id), turned into a
value by the inverse of a cumulative distribution. Nothing is rejected and nothing is
counted, so a draw never depends on which other galaxies were made, or in what order.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BeforeValidator, Field, model_validator
from scipy import special

from argdask.choices import Choices, wrong_choice

__all__ = [
    "Beta",
    "Choice",
    "Constant",
    "Distribution",
    "Lognormal",
    "Normal",
    "Uniform",
    "pick",
    "stream_key",
    "uniforms",
    "words",
]

# A block of Philox holds four words; jumping to a block costs about as much as reading
# a few thousand words in a row, so that ids nearer than this are read in one run. No
# run is longer than 2^20 words, which is 8 MB.
_WORDS_PER_BLOCK = 4
_LONGEST_GAP = 4096
_LONGEST_RUN_BITS = 20


def words(seed: int, column: str, ids: ArrayLike) -> NDArray[np.uint64]:
    """Return the random word of each galaxy for one column.

    Parameters
    ----------
    seed
        The recipe's seed, 0 to 2^64 - 1.
    column
        What the word is for: streams of different names are independent.
    ids
        Galaxy ids (galaxy,), 0 to 2^63 - 1, in any order, repeated or not.

    Returns
    -------
    ndarray
        One word for each id (galaxy,).

    Notes
    -----
    Word i is number i of the Philox4x64-10 stream (Salmon et al. 2011, "Parallel random
    numbers: as easy as 1, 2, 3") whose key is the SHA-256 of seed and column.
    """
    wanted = np.atleast_1d(np.asarray(ids, dtype=np.int64))
    key = stream_key(seed, column)
    result = np.empty(wanted.shape, dtype=np.uint64)
    order = np.argsort(wanted, kind="stable")
    ordered = wanted[order]
    apart = np.diff(ordered) > _LONGEST_GAP
    apart |= np.diff(ordered >> _LONGEST_RUN_BITS) > 0
    breaks = np.flatnonzero(apart) + 1
    for run in np.split(np.arange(ordered.size), breaks):
        if run.size:
            block = int(ordered[run[0]]) // _WORDS_PER_BLOCK
            offsets = ordered[run] - block * _WORDS_PER_BLOCK
            stream = np.random.Philox(key=key, counter=block)
            result[order[run]] = stream.random_raw(int(offsets[-1]) + 1)[offsets]
    return result


def uniforms(seed: int, column: str, ids: ArrayLike) -> NDArray[np.float64]:
    """Return one number strictly between 0 and 1 for each galaxy and one column.

    Parameters
    ----------
    seed, column, ids
        As for `words`.

    Returns
    -------
    ndarray
        Multiples of 2^-52 plus 2^-53 (galaxy,), so that neither 0 nor 1 can occur.
    """
    high = words(seed, column, ids) >> np.uint64(12)
    return (high.astype(np.float64) + 0.5) * 2.0**-52


def pick(u: NDArray[np.float64], counts: ArrayLike) -> NDArray[np.int64]:
    """Turn numbers between 0 and 1 into equally likely whole numbers.

    Parameters
    ----------
    u
        Numbers strictly between 0 and 1.
    counts
        How many whole numbers there are to choose from, broadcast against `u`.

    Returns
    -------
    ndarray
        Whole numbers from 0 to ``counts - 1``.
    """
    # No product rounds up to the count itself, since u is at most 1 - 2^-53.
    chosen: NDArray[np.int64] = (u * np.asarray(counts)).astype(np.int64)
    return chosen


def stream_key(seed: int, purpose: str, bits: int = 128) -> int:
    """Return the key of a stream of random words.

    Parameters
    ----------
    seed, purpose
        As for `words`, where the purpose is the column.
    bits
        Length of the key, at most 128.

    Returns
    -------
    int
        From the SHA-256 of both.
    """
    digest = hashlib.sha256(f"argdask:{seed}:{purpose}".encode()).digest()
    return int.from_bytes(digest[: bits // 8], "little")


class _Law(Choices):
    """What every distribution can do."""

    def quantile(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values below which the fractions `u` of all draws lie.

        Parameters
        ----------
        u
            Numbers strictly between 0 and 1.

        Returns
        -------
        ndarray
            One value for each number.
        """
        raise NotImplementedError

    def support(self) -> tuple[float, float]:
        """Return the lowest and the highest value that can be drawn."""
        raise NotImplementedError


class Constant(_Law):
    """The same value for every galaxy; a plain number means this."""

    distribution: Literal["constant"] = "constant"
    """Which distribution this is: constant."""
    value: float
    """The value."""

    def quantile(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the value, once for each number."""
        return np.full(u.shape, self.value)

    def support(self) -> tuple[float, float]:
        """Return the value twice."""
        return self.value, self.value


class Uniform(_Law):
    """Every value between two bounds equally likely."""

    distribution: Literal["uniform"] = "uniform"
    """Which distribution this is: uniform."""
    minimum: float
    """Lowest value."""
    maximum: float
    """Highest value."""

    @model_validator(mode="after")
    def _check(self) -> Uniform:
        _check_bounds(self.minimum, self.maximum)
        return self

    def quantile(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values at these fractions of the interval."""
        return _stretched(u, self.minimum, self.maximum)

    def support(self) -> tuple[float, float]:
        """Return the bounds."""
        return self.minimum, self.maximum


class _Truncated(_Law):
    """A law that follows from the normal one, cut to an interval and renormalised."""

    minimum: float | None = None
    """Lowest value; none means no bound."""
    maximum: float | None = None
    """Highest value; none means no bound."""

    def _deviate(self, value: float) -> float:
        """Return the standard normal deviate that stands for a value."""
        raise NotImplementedError

    def _value(self, deviate: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values of standard normal deviates."""
        raise NotImplementedError

    def _deviates(self) -> tuple[float, float]:
        low = -np.inf if self.minimum is None else self._deviate(self.minimum)
        high = np.inf if self.maximum is None else self._deviate(self.maximum)
        return low, high

    @model_validator(mode="after")
    def _check(self) -> _Truncated:
        if self.minimum is not None and self.maximum is not None:
            _check_bounds(self.minimum, self.maximum)
        low, high = self._deviates()
        held = float(special.ndtr(high) - special.ndtr(low))
        if held < 1e-9:
            raise wrong_choice(
                "",
                f"bounds that hold {held:.1g} of all draws",
                "bounds that hold more than 1e-9",
                "set a lower minimum or a higher maximum",
            )
        return self

    def quantile(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values below which these fractions of the cut law lie."""
        low, high = self._deviates()
        below = special.ndtr(low) + (special.ndtr(high) - special.ndtr(low)) * u
        # In the upper half the probability above is what keeps its digits: the one
        # below would round to 1, whose deviate is infinite.
        above = special.ndtr(-high) + (special.ndtr(-low) - special.ndtr(-high)) * (
            1.0 - u
        )
        tail = special.ndtri(np.where(below < 0.5, below, np.minimum(above, 0.5)))
        deviate = np.where(below < 0.5, tail, -tail)
        return np.clip(self._value(deviate), *self.support())

    def support(self) -> tuple[float, float]:
        """Return the bounds, infinite where there is none."""
        return (
            -np.inf if self.minimum is None else self.minimum,
            np.inf if self.maximum is None else self.maximum,
        )


class Normal(_Truncated):
    """The normal distribution, cut at bounds if they are given."""

    distribution: Literal["normal"] = "normal"
    """Which distribution this is: normal."""
    mean: float
    """Mean before cutting."""
    sigma: float = Field(gt=0)
    """Standard deviation before cutting."""

    def _deviate(self, value: float) -> float:
        return (value - self.mean) / self.sigma

    def _value(self, deviate: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.mean + self.sigma * deviate


class Lognormal(_Truncated):
    """The natural logarithm is normal, cut at bounds if they are given."""

    distribution: Literal["lognormal"] = "lognormal"
    """Which distribution this is: lognormal."""
    median: float = Field(gt=0)
    """Median before cutting."""
    sigma: float = Field(gt=0)
    """Standard deviation of the natural logarithm before cutting."""

    def _deviate(self, value: float) -> float:
        if value <= 0:
            return -np.inf
        return float(np.log(value / self.median) / self.sigma)

    def _value(self, deviate: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.median * np.exp(self.sigma * deviate)

    def support(self) -> tuple[float, float]:
        """Return the bounds; no value is below 0."""
        low, high = super().support()
        return max(low, 0.0), high


class Beta(_Law):
    """The beta distribution, stretched over an interval."""

    distribution: Literal["beta"] = "beta"
    """Which distribution this is: beta."""
    alpha: float = Field(gt=0)
    """First shape parameter."""
    beta: float = Field(gt=0)
    """Second shape parameter."""
    minimum: float = 0.0
    """Lowest value."""
    maximum: float = 1.0
    """Highest value."""

    @model_validator(mode="after")
    def _check(self) -> Beta:
        _check_bounds(self.minimum, self.maximum)
        return self

    def quantile(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values below which these fractions of the draws lie."""
        fraction: NDArray[np.float64] = special.betaincinv(self.alpha, self.beta, u)
        return _stretched(fraction, self.minimum, self.maximum)

    def support(self) -> tuple[float, float]:
        """Return the bounds."""
        return self.minimum, self.maximum


class Choice(_Law):
    """One of a list of values."""

    distribution: Literal["choice"] = "choice"
    """Which distribution this is: choice."""
    values: tuple[float, ...] = Field(min_length=1)
    """The values."""
    weights: tuple[Annotated[float, Field(ge=0)], ...] | None = None
    """How likely each is, in any unit; none means equally likely."""

    @model_validator(mode="after")
    def _check(self) -> Choice:
        if self.weights is None:
            return self
        if len(self.weights) != len(self.values) or not sum(self.weights) > 0:
            raise wrong_choice(
                "weights",
                self.weights,
                f"{len(self.values)} weights, not all zero",
                "give one for each value",
            )
        return self

    def quantile(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values in the order of the list, by their weights."""
        weights = np.ones(len(self.values)) if self.weights is None else self.weights
        cumulative = np.cumsum(weights) / np.sum(weights)
        index = np.searchsorted(cumulative, u, side="right")
        last = int(np.flatnonzero(weights)[-1])
        return np.asarray(self.values, dtype=np.float64)[np.minimum(index, last)]

    def support(self) -> tuple[float, float]:
        """Return the lowest and the highest value of the list."""
        return min(self.values), max(self.values)


def _stretched(
    fraction: NDArray[np.float64], minimum: float, maximum: float
) -> NDArray[np.float64]:
    # The sum can round to the next number above the maximum.
    return np.minimum(minimum + (maximum - minimum) * fraction, maximum)


def _check_bounds(minimum: float, maximum: float) -> None:
    if not minimum < maximum:
        raise wrong_choice(
            "minimum",
            minimum,
            f"less than the maximum, {maximum}",
            "exchange them, or give one number for a constant",
        )


def _read_number(data: Any) -> Any:
    if isinstance(data, str):
        # YAML takes 1e-1, without a point, for text.
        with contextlib.suppress(ValueError):
            data = float(data)
    is_number = isinstance(data, int | float) and not isinstance(data, bool)
    return {"distribution": "constant", "value": data} if is_number else data


_AnyLaw = Annotated[
    Constant | Uniform | Normal | Lognormal | Beta | Choice,
    Field(discriminator="distribution"),
]

Distribution = Annotated[
    _AnyLaw, BeforeValidator(_read_number, json_schema_input_type=float | _AnyLaw)
]
"""Any distribution, or a plain number for a constant."""
