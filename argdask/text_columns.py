"""Two columns of numbers in a text file, as spectra and filter curves come."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from argdask.errors import InputError

__all__ = ["ANGSTROMS", "read_columns"]

Floats = NDArray[np.float64]

ANGSTROMS = {"Angstrom": 1.0, "nm": 10.0, "um": 1e4}
"""Angstrom in one of each unit of wavelength that can be stated."""

_COMMENTS = ("#", ";", "!", "%", "//")


def read_columns(path: str | Path, *, field: str) -> tuple[Floats, Floats]:
    """Read the first two columns of a text file.

    Parameters
    ----------
    path
        The file: numbers between blanks or commas; comments, empty lines and lines of
        words above the first numbers are passed over.
    field
        What to call the file in an error.

    Returns
    -------
    tuple
        The two columns, float64, in the order of the file.

    Raises
    ------
    InputError
        The file cannot be read, or a row is not as many finite numbers as the first.
    """
    rows: list[list[float]] = []
    for number, line in enumerate(_lines(path, field), start=1):
        content = line.strip().replace(",", " ")
        if not content or content.startswith(_COMMENTS):
            continue
        try:
            row = [float(word) for word in content.split()]
        except ValueError:
            if not rows:
                continue  # a header without a comment sign
            row = []
        if len(row) < 2 or (rows and len(row) != len(rows[0])):
            wrong = f"{path}, line {number}: {content[:40]!r}"
            expected = f"{max(len(rows[0]), 2) if rows else 2} numbers in every row"
            raise InputError(field, wrong, expected, "correct or drop this row")
        if not np.isfinite(row[:2]).all():
            wrong = f"{path}, line {number}: {content[:40]!r}"
            raise InputError(field, wrong, "finite numbers", "drop this row")
        rows.append(row)
    if len(rows) < 2:
        wrong = f"{path} ({len(rows)} rows of numbers)"
        expected = "two columns, wavelength first, of two or more rows"
        raise InputError(field, wrong, expected, "check the file")
    columns = np.array([row[:2] for row in rows])
    return columns[:, 0].copy(), columns[:, 1].copy()


def _lines(path: str | Path, field: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        wrong = f"{path} ({reason})"
        raise InputError(field, wrong, "a readable text file", "check it") from None
