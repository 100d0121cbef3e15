"""A window of pieces on a client: what is finished is never lost, nor waited for."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import Client, LocalCluster

from argdask import dispatch
from argdask.crews import Crew, crew_of, enlist
from argdask.dispatch import ATTEMPTS, Dispatch
from argdask.errors import IncompleteError, InputError
from argdask.store.receipts import Receipt

ARGUMENTS = ("store", "f" * 64)


def receipt(index: int) -> Receipt:
    return Receipt("f" * 64, "part", index, index, index + 1, {}, 0.0)


def make_nothing(path: str, fingerprint: str, kind: str, index: int) -> Receipt:
    return receipt(index)


def make_slowly(path: str, fingerprint: str, kind: str, index: int) -> Receipt:
    time.sleep(0.05)
    return receipt(index)


def make_and_die(path: str, fingerprint: str, kind: str, index: int) -> Receipt:
    """Finish a piece, and die so soon that nobody can have fetched the receipt."""
    marker = Path(path) / f"{index}"
    if not marker.exists():
        marker.touch()
        # The worker tells the scheduler that it has finished, and is gone.
        threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGKILL)).start()
    return receipt(index)


def make_and_fail_later(path: str, fingerprint: str, kind: str, index: int) -> Receipt:
    """Finish a piece and die; fail when it is made again in its place."""
    marker = Path(path) / f"{index}"
    if marker.exists():
        raise ValueError(index)
    return make_and_die(path, fingerprint, kind, index)


def make_always_dying(path: str, fingerprint: str, kind: str, index: int) -> Receipt:
    os.kill(os.getpid(), signal.SIGKILL)
    return receipt(index)


@pytest.fixture
def client() -> Iterator[Client]:
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            host="127.0.0.1",
        ) as cluster,
        Client(cluster, set_as_default=False) as started,
    ):
        yield started


class _LateDispatch(Dispatch):
    """A driver that fetches so late that a worker can be gone by then."""

    async def _fetch(self, future: Any) -> None:
        await asyncio.wait_for(future._state.wait(), 60)
        await asyncio.sleep(0.2)
        await super()._fetch(future)


def parts(number: int) -> list[tuple[str, int]]:
    return [("part", index) for index in range(number)]


def test_every_piece_comes_back_once(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "_make", make_nothing)
    found = list(Dispatch(client, ARGUMENTS, parts(200)).results())
    assert sorted(piece for piece, _ in found) == parts(200)
    assert all(result == receipt(piece[1]) for piece, result in found)
    # Nothing is held once it is over.
    deadline = time.monotonic() + 30
    while client.futures and time.monotonic() < deadline:
        time.sleep(0.05)
    assert client.futures == {}


def test_a_worker_that_dies_between_finish_and_fetch_loses_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(dispatch, "_make", make_and_die)
    late = _LateDispatch(client, (str(tmp_path), "f" * 64), parts(12))
    found = dict(late.results())
    assert found == {piece: receipt(piece[1]) for piece in parts(12)}
    assert len(list(tmp_path.iterdir())) == 12


def test_a_piece_that_was_lost_and_then_fails_is_told(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(dispatch, "_make", make_and_fail_later)
    late = _LateDispatch(client, (str(tmp_path), "f" * 64), parts(2))
    found = dict(late.results())
    assert {type(result) for result in found.values()} == {ValueError}
    assert len(found) == 2


def test_a_piece_that_fails_as_others_have_made_it_ends_the_run(
    client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # There is no store any more.
    arguments = str(tmp_path / "none"), "f" * 64
    asked: list[BaseException] = []

    def ended(error: BaseException) -> bool:
        asked.append(error)
        return True

    with pytest.raises(IncompleteError, match="another process has made the store"):
        list(Dispatch(client, arguments, parts(9), ended).results())
    assert [type(error) for error in asked] == [InputError]
    assert caplog.records == []


def test_a_piece_that_kills_its_workers_is_set_aside(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "_make", make_always_dying)
    client.run_on_scheduler(_set_allowed_failures)
    ((piece, result),) = Dispatch(client, ARGUMENTS, parts(1)).results()
    assert piece == ("part", 0)
    assert type(result).__name__ == "KilledWorker"


def _set_allowed_failures(dask_scheduler: Any) -> None:
    dask_scheduler.allowed_failures = 0


def test_the_window_is_as_wide_as_what_was_asked_for(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "_make", make_slowly)
    enlist(client, Crew(client, requested=20))
    run = Dispatch(client, ARGUMENTS, parts(500))
    results = run.results()
    next(results)
    # Two workers are there; twenty threads were asked for.
    assert len(run._running) == 60
    results.close()
    assert run._running == {}


def test_without_workers_a_run_says_so_and_ends(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dispatch, "_make", make_slowly)
    enlist(client, Crew(client, alarm=1.0, patience=3.0))
    client.cluster.scale(0)
    while client.nthreads():
        time.sleep(0.05)
    with pytest.raises(IncompleteError, match=r"no worker for \d s; run the same"):
        list(Dispatch(client, ARGUMENTS, parts(4)).results())
    assert "no part was finished for" in caplog.text
    assert "4 remain, 0 threads are at work" in caplog.text


def test_a_client_keeps_its_crew(client: Client) -> None:
    crew = crew_of(client)
    assert crew_of(client) is crew
    assert crew.threads == 1
    crew.look(1)
    assert crew.threads == 2


def test_there_is_more_than_one_attempt() -> None:
    assert ATTEMPTS > 1
