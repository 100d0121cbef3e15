"""What users bring, from the command line: redshifts between those of the grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import argdask as ad
from argdask.cli import main


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return int(caught.value.code or 0)


def setting(**choices: Any) -> list[str]:
    small = {"image_shape": 8, "galaxies": 30, **choices}
    return [
        part for key, value in small.items() for part in ("--set", f"{key}={value}")
    ]


def test_a_set_with_redshifts_between_those_of_the_grid(capsys):
    choices = setting(**{"redshifts.values": "continuous"})
    assert run("generate", "pairs.zarr", *choices) == 0
    assert run("verify", "pairs.zarr") == 0
    pairs = ad.open_pairs("pairs.zarr")
    assert not np.isin(pairs["z_in"], ad.default_seds()["redshift"]).any()
    recipe = ad.Recipe(image_shape=8, galaxies=30, redshifts={"values": "continuous"})
    made = ad.simulate(recipe, galaxies=[7, 3])
    np.testing.assert_array_equal(pairs["target"][[7, 3]].values, made["target"])
    capsys.readouterr()
    assert run("generate", "other.zarr", *setting(**{"redshifts.z_in": 3})) == 2
    told = capsys.readouterr().err
    assert told.startswith("argdask: redshifts.z_in: got 3, expected 0.1 to 2, the red")
    assert len(told.splitlines()) == 1
