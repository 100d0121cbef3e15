"""The errors that argdask raises on purpose: bad input, and incomplete work."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["IncompleteError", "InputError", "near", "nearest"]

_LEAST_PART = 3  # letters of a name that tell something


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
    command
        What to do about it on a command line, where that is something else.
    """

    def __init__(
        self,
        field: str,
        value: object,
        expected: str,
        cure: str,
        command: str | None = None,
    ) -> None:
        self.field = field
        self.value = value
        self.expected = expected
        self.cure = cure
        self.command = command
        super().__init__(self._told(cure))

    def __reduce__(self) -> tuple[type, tuple[str, object, str, str, str | None]]:
        told = (self.field, self.value, self.expected, self.cure, self.command)
        return type(self), told

    def on_command_line(self) -> str:
        """Return the message for whoever typed a command.

        Returns
        -------
        str
            One line.
        """
        return self._told(self.command or self.cure)

    def _told(self, cure: str) -> str:
        told = f"{self.field}: got {_shown(self.value)}, expected {self.expected}"
        return " ".join(f"{told}; {cure}".split())


class IncompleteError(RuntimeError):
    """A store is not finished: some galaxies are still missing; a rerun resumes."""


def near(name: str, candidates: Iterable[str], count: int = 3) -> list[str]:
    """Return the known names that may be meant by another.

    Parameters
    ----------
    name
        The unknown name.
    candidates
        The known names.
    count
        How many to return at most.

    Returns
    -------
    list of str
        Those that end or begin with it, as acs_wfc_f814w does with F814W, or else those
        that, or of which the last part, is spelt much alike; upper case or not.
    """
    known: dict[str, str] = {}
    for one in candidates:
        known.setdefault(one.lower(), one)
    lower = name.lower()
    # Of names in parts, a part may be shorter than what begins or ends by chance.
    ends = [f"_{lower}"] if len(lower) < _LEAST_PART else [lower]
    found = [one for one in known if lower and one.endswith(tuple(ends))]
    if not found and len(lower) >= _LEAST_PART:
        found = [one for one in known if one.startswith(lower)]
    found = sorted(found, key=len)
    found = found or difflib.get_close_matches(lower, known, n=count, cutoff=0.6)
    if not found:
        # Of a long name the last part alone is what people write.
        ends_of = {one.rsplit("_", 1)[-1]: one for one in known}
        alike = difflib.get_close_matches(lower, ends_of, n=count, cutoff=0.75)
        found = [ends_of[one] for one in alike]
    return [known[one] for one in found[:count]]


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
    found = near(name, known, count) or difflib.get_close_matches(
        name, known, n=count, cutoff=0.5
    )
    return ", ".join(found or known[:count])


def _shown(value: object, longest: int = 120) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = text if len(text) <= longest else text[: longest - 3] + "..."
    return text or "nothing"
