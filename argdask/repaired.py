"""What a repair did: told to a person or a program."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

__all__ = ["Repaired"]


@dataclass
class Repaired:
    """What was mended in a store, and what could not be."""

    path: str
    """The store."""
    restored: list[str] = field(default_factory=list)
    """Files that were written again: metadata, grid, catalogue, lists."""
    pieces: list[tuple[str, int]] = field(default_factory=list)
    """Kind and number of the pieces that were made again."""
    galaxies: int = 0
    """Galaxies whose images were made again."""
    differing: list[str] = field(default_factory=list)
    """Files that were made again and have other bytes than are recorded."""
    lost: list[str] = field(default_factory=list)
    """What could not be mended, and what would help."""
    removed: list[str] = field(default_factory=list)
    """Files that were no part of the store, and were deleted."""
    foreign: list[str] = field(default_factory=list)
    """Files that are no part of the store, and are still there."""

    @property
    def passed(self) -> bool:
        """Whether the store is now as it was recorded."""
        return not (self.differing or self.lost or self.foreign)

    def to_json(self) -> str:
        """Return all of it as JSON."""
        pieces = [{"kind": kind, "index": index} for kind, index in self.pieces]
        fields = {**asdict(self), "pieces": pieces, "passed": self.passed}
        return json.dumps(fields, indent=2)

    def to_text(self) -> str:
        """Return all of it as lines for a person."""
        made = [f"{kind} {index}" for kind, index in self.pieces]
        told = {
            "made again": made,
            "restored": self.restored,
            "deleted": self.removed,
            "other bytes than recorded (another machine, or other versions; "
            "--new-checksums records them)": self.differing,
            "no part of the store (--remove-foreign deletes it)": self.foreign,
            "cannot be mended": self.lost,
        }
        lines = [f"{what}: {one}" for what, names in told.items() for one in names]
        if self.passed:
            lines.append(f"{self.path}: as it was recorded")
        return "\n".join(lines)
