"""Attributes of a store's root: what tells of the store, what of the pairs in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import google_crc32c

from argdask.errors import InputError
from argdask.simulation import Simulation, attributes_of
from argdask.store.plan import Plan

__all__ = [
    "CHECKSUMS_CHECKSUM",
    "METADATA_CHECKSUM",
    "OF_THE_STORE",
    "checksum_of_root",
    "read_root",
    "root_attributes",
]

# CRC-32C of the list of checksums, and of the root's metadata without this attribute.
CHECKSUMS_CHECKSUM = "checksums_crc32c"
METADATA_CHECKSUM = "metadata_crc32c"

# Attributes of the root that tell of the store rather than of the pairs in it.
OF_THE_STORE = frozenset(
    {
        *("plan", "fingerprint", "state", "environments"),
        *(CHECKSUMS_CHECKSUM, METADATA_CHECKSUM),
    }
)


def root_attributes(simulation: Simulation, plan: Plan) -> dict[str, Any]:
    """Return the attributes that a store without galaxies begins with.

    Parameters
    ----------
    simulation
        What will make the galaxies.
    plan
        How the store is laid out.

    Returns
    -------
    dict
        Text and numbers only.
    """
    return {
        **attributes_of(simulation),
        "fingerprint": plan.fingerprint,
        "plan": plan.to_json(),
        "state": "incomplete",
    }


def read_root(file: Path) -> dict[str, Any]:
    """Read the metadata of a store's root.

    Parameters
    ----------
    file
        The JSON file that holds it.

    Returns
    -------
    dict
        The metadata, with the attributes under their own key.

    Raises
    ------
    InputError
        If there is no store that argdask made.
    """
    try:
        root = json.loads(file.read_text("utf-8"))
        found = "plan" in root["attributes"]
    except (OSError, ValueError, KeyError, TypeError):
        found = False
    if not found or not isinstance(root["attributes"], dict):
        raise InputError(
            "store", str(file.parent), "a store that argdask made", "check the path"
        )
    return dict(root)


def checksum_of_root(root: dict[str, Any]) -> int:
    """Return the CRC-32C of the root's metadata.

    Parameters
    ----------
    root
        The metadata.

    Returns
    -------
    int
        Over all of it but the attribute that holds the checksum.
    """
    attributes = {k: v for k, v in root["attributes"].items() if k != METADATA_CHECKSUM}
    text = json.dumps({**root, "attributes": attributes}, sort_keys=True)
    return int(google_crc32c.value(text.encode()))
