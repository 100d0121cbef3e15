"""The errors that argdask raises on purpose: bad input, and incomplete work."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["IncompleteError", "InputError", "nearest"]


class InputError(ValueError):
    """Something a user gave is wrong; the message is one line that says how to mend it.

    Parameters
    ----------
    field
        What was given: a recipe key, an argument or a file.
    value
        The value as it was given.
    expected
        What would have been right.
    cure
        What to do about it.
    """

    def __init__(self, field: str, value: object, expected: str, cure: str) -> None:
        self.field = field
        self.value = value
        self.expected = expected
        self.cure = cure
        message = f"{field}: got {_shown(value)}, expected {expected}; {cure}"
        super().__init__(" ".join(message.split()))

    def __reduce__(self) -> tuple[type, tuple[str, object, str, str]]:
        return type(self), (self.field, self.value, self.expected, self.cure)


class IncompleteError(RuntimeError):
    """A store is not finished: some galaxies are still missing; a rerun resumes."""


def nearest(name: str, candidates: Iterable[str], count: int = 3) -> str:
    """Return the known names most like `name`, as text for a message.

    Parameters
    ----------
    name
        The unknown name.
    candidates
        The known names.
    count
        How many to name at most.

    Returns
    -------
    str
        The nearest names, or the first few known ones where none is near.
    """
    known = list(candidates)
    found = difflib.get_close_matches(name, known, n=count, cutoff=0.5)
    return ", ".join(found or known[:count])


def _shown(value: object, longest: int = 120) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = text if len(text) <= longest else text[: longest - 3] + "..."
    return text or "nothing"
