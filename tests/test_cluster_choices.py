"""Choices of worker jobs: strictly checked, explained, read back from own YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argdask.cluster_choices import ClusterChoices, clock, seconds_of
from argdask.errors import InputError


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    choices = ClusterChoices(queue="long", extra=("--qos=high",), walltime="1-02:00:00")
    for one in (ClusterChoices(), choices):
        file.write_text(one.to_yaml())
        assert ClusterChoices.from_yaml(file) == one


def test_every_choice_is_explained() -> None:
    for name, field in ClusterChoices.model_fields.items():
        assert field.description, name
    text = ClusterChoices().to_yaml()
    assert (
        "# Cores of each job. Each has one worker process of one thread.\ncores: 1"
        in text
    )


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"que": "long"}, r"que: got an unknown key, .*; nearest: queue"),
        ({"cores": 0}, r"cores: got 0, expected greater than or equal to 1"),
        ({"cores": True}, r"cores: got True, expected a number"),
        ({"memory": "2"}, r"memory: got 2, .*at least 400MB"),
        ({"memory": 2}, r"memory: got 2, expected a size with its unit"),
        ({"memory": "2 things"}, r"memory: .*a size with its unit; for example 2GB"),
        ({"memory": "2GB", "cores": 8}, r"memory: .*400MB for each of 8 cores"),
        ({"walltime": "tomorrow"}, r"walltime: .*HH:MM:SS or D-HH:MM:SS"),
        ({"walltime": "00:00:00"}, r"walltime: .*more than 0"),
        ({"poll": 0}, r"poll: got 0, expected greater than 0"),
        ({"extra": "--qos=high"}, r"extra: .*expected a list"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_wrong_choices_are_told_in_one_line(choices: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        ClusterChoices(**choices)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--cluster-config: .*check the path"):
        ClusterChoices.from_yaml(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- queue\n")
    with pytest.raises(InputError, match=r"--cluster-config: .*`argdask clusters`"):
        ClusterChoices.from_yaml(tmp_path / "list.yaml")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:30:00", 1800), ("1-00:00:30", 86430), ("02:15", 8100), ("100:00:00", 360000)],
)
def test_walltimes_are_read(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@given(st.integers(1, 10**7))
def test_walltimes_are_written_as_they_are_read(seconds: int) -> None:
    assert seconds_of(clock(seconds)) == seconds
    minutes = seconds_of(clock(seconds, with_seconds=False))
    assert 0 <= minutes - seconds < 60


def test_yaml_takes_a_time_without_quotes_for_a_number(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("walltime: 1:30:00\n")
    assert ClusterChoices.from_yaml(file).walltime == "01:30:00"


@given(st.integers(60, 10**6))
def test_workers_end_before_their_jobs_and_not_together(walltime: int) -> None:
    lifetime, stagger = ClusterChoices(walltime=clock(walltime)).lifetime
    assert 0 < lifetime - stagger < lifetime + stagger
    assert lifetime + stagger <= walltime - min(300, walltime / 10)
    # Comparable to the lifetime, or all would go at once.
    assert stagger >= lifetime / 4 - 1
