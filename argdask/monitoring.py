"""How far the making of a store is, seen from any process while it goes on."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from argdask.places import store_at
from argdask.planning import is_complete
from argdask.store.folding import is_folding, staging_of
from argdask.store.lock import Driver, driver_of
from argdask.store.plan import Plan
from argdask.store.receipts import Failure, Receipt, done_and_failed
from argdask.store.staging import staged_plan
from argdask.store.work import read_plan

__all__ = ["Progress", "Status", "status"]

# The rate is that of so long before now [s].
_WINDOW = 300.0


@dataclass(frozen=True)
class Progress:
    """How much of one kind is done."""

    done: int
    """How many are done."""
    of: int
    """How many there are."""


@dataclass(frozen=True)
class Status:
    """How far the making of a store is."""

    store: str
    """The store."""
    state: str
    """incomplete, complete or being extended."""
    parts: Progress
    """Parts: the images."""
    blocks: Progress
    """Blocks: the truth columns."""
    galaxies: Progress
    """Galaxies that have their images."""
    failed: tuple[Failure, ...]
    """What was set aside and never done since."""
    rate: float | None
    """Galaxies in a second over the last five minutes; None where none was made."""
    seconds_left: float | None
    """Time that the rest takes at this rate [s]; None where it is not known."""
    driver: Driver | None
    """The process that drives the store; None where none is known."""

    def to_json(self) -> str:
        """Return the status as JSON."""
        fields = asdict(self)
        for failure in fields["failed"]:
            del failure["fingerprint"]
        if self.driver is not None:
            del fields["driver"]["born"], fields["driver"]["token"]
        return json.dumps(fields, indent=2)

    def to_text(self) -> str:
        """Return the status as lines for a person."""
        lines = [f"{self.store}: {self.state}"]
        for name in ("galaxies", "parts", "blocks"):
            progress: Progress = getattr(self, name)
            lines.append(f"{name:10}{progress.done} of {progress.of}")
        if self.rate is not None:
            lines.append(f"{'rate':10}{self.rate:.3g} galaxies per second")
        if self.seconds_left is not None:
            lines.append(f"{'left':10}{_spoken(self.seconds_left)}")
        if self.driver is not None:
            lines.append(f"{'driver':10}{self.driver}")
        for failure in self.failed:
            where = f"{failure.host}{f', job {failure.job}' if failure.job else ''}"
            lines.append(
                f"{'failed':10}{failure.kind} {failure.index} after "
                f"{failure.attempts} attempts ({where}): {failure.reason}"
            )
        return "\n".join(lines)


def status(path: str | Path) -> Status:
    """Tell how far the making of a store is, from what is on disk; change nothing.

    Parameters
    ----------
    path
        The store.

    Returns
    -------
    Status
        What is done, what failed, how fast it goes.

    Raises
    ------
    InputError
        If there is no store that argdask made.
    """
    store = store_at(path)
    plan = read_plan(store)
    if not is_complete(store):
        return _of(store, plan, "incomplete", 0, *done_and_failed(store, plan))
    larger = staged_plan(store)
    if larger is None:
        return _of(store, plan, "complete", plan.galaxies, [], [])
    if is_folding(store):
        # All is made, and its files lie at either place.
        whole = _of(store, larger, "complete", plan.galaxies, [], [])
        return replace(whole, state="being extended")
    found = done_and_failed(staging_of(store), larger)
    return _of(store, larger, "being extended", plan.galaxies, *found)


def _of(
    store: Path,
    plan: Plan,
    state: str,
    first: int,
    done: list[Receipt],
    failed: list[Failure],
) -> Status:
    """Count what is done, besides the pieces whose rows were complete before."""
    parts = [receipt for receipt in done if receipt.kind == "part"]
    made = sum(receipt.stop - receipt.start for receipt in parts)
    whole = first // plan.part
    numbers = (
        whole + len(parts),
        first // plan.block + len(done) - len(parts),
        whole * plan.part + made,
    )
    if state == "complete":
        numbers = plan.parts, plan.blocks, plan.galaxies
    rate = _rate(parts, time.time())
    return Status(
        str(store),
        state,
        parts=Progress(numbers[0], plan.parts),
        blocks=Progress(numbers[1], plan.blocks),
        galaxies=Progress(numbers[2], plan.galaxies),
        failed=tuple(failed),
        rate=rate,
        seconds_left=(plan.galaxies - numbers[2]) / rate if rate else None,
        driver=driver_of(store),
    )


def _rate(parts: list[Receipt], now: float) -> float | None:
    """Return the galaxies made in a second of late, or None if none were."""
    late = [receipt for receipt in parts if now - _WINDOW < receipt.finished <= now]
    if not late:
        return None
    began = min(receipt.finished - receipt.seconds for receipt in late)
    # Clocks of several machines differ: a rate is never over less than its own work.
    longest = max(receipt.seconds for receipt in late)
    span = max(min(now - began, _WINDOW), longest, 1e-3)
    return sum(receipt.stop - receipt.start for receipt in late) / span


def _spoken(seconds: float) -> str:
    """Return a time in the largest units that tell it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
