"""Clusters: workers of one thread, found by a name or an address."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from distributed import Client

import argdask as ad
from argdask.clusters import available_cores, client_for
from argdask.errors import InputError


def test_the_cores_are_those_of_this_process() -> None:
    count = "import argdask.clusters as c; print(c.available_cores())"
    ran = subprocess.run(
        [sys.executable, "-c", count],
        preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
        capture_output=True,
        check=True,
        text=True,
    )
    assert ran.stdout.split() == ["1"]
    assert available_cores() == len(os.sched_getaffinity(0))


def test_one_job_is_done_in_this_process() -> None:
    with client_for("local", 1) as client:
        assert client is None


def test_workers_have_one_thread_and_are_reached_by_their_address(
    tmp_path: Path, seds: xr.DataArray
) -> None:
    def settings(dask_worker: Any) -> tuple[object, ...]:
        import dask

        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        spill = dask.config.get("distributed.worker.memory.spill")
        return (*(os.environ.get(name) for name in names), spill, os.getpid())

    with client_for("local", 2) as client:
        assert client is not None
        assert list(client.nthreads().values()) == [1, 1]
        found = list(client.run(settings).values())
        assert [one[:3] for one in found] == [("1", "1", "1")] * 2
        assert [one[3] for one in found] == [False] * 2
        assert len({os.getpid(), *(one[-1] for one in found)}) == 3
        address = client.scheduler_info()["address"]
        recipe = ad.Recipe(galaxies=20, image_shape=(8, 8), layout={"part": 4})
        with client_for(address, 7) as remote:
            assert remote is not None
            assert len(remote.nthreads()) == 2
            ad.write(recipe, tmp_path / "pairs.zarr", seds=seds, client=remote)
        # Somebody else's workers are left running.
        assert len(client.nthreads()) == 2
    assert ad.verify(tmp_path / "pairs.zarr").passed


@pytest.mark.parametrize("name", ["slrum", "host:8786", ""])
def test_an_unknown_name_is_refused(name: str) -> None:
    expected = r"cluster: got .*local or an address; for example tcp://host:8786"
    with pytest.raises(InputError, match=expected), client_for(name, 1):
        pass


def test_an_address_of_an_unknown_kind_is_refused() -> None:
    expected = r"cluster: got carrier://.*a scheduler that answers .*is it running\?"
    with pytest.raises(InputError, match=expected), client_for("carrier://x:1", 1):
        pass
    # It does not stay behind as the client of whoever asks next.
    with pytest.raises(ValueError, match="No clients found"):
        Client.current()


def test_an_address_where_nobody_answers_is_refused(tmp_path: Path) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    # In a process of its own: what distributed logs and leaves behind stays there.
    command = Path(sys.executable).with_name("argdask")
    where = f"tcp://127.0.0.1:{port}"
    ran = subprocess.run(
        [command, "generate", "pairs.zarr", "--cluster", where, "--galaxies", "5"],
        capture_output=True,
        check=False,
        text=True,
    )
    assert ran.returncode == 2
    (line,) = ran.stderr.splitlines()
    assert line.startswith(f"argdask: cluster: got {where}, expected a scheduler that")
    assert list(tmp_path.iterdir()) == []
