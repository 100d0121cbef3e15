"""What each worker process does when it starts: dask calls `dask_setup`."""

from __future__ import annotations

import logging
import signal
import sys
from typing import Any

from argdask.store.provenance import job_id
from argdask.store.shards import unname_lock

__all__ = ["dask_setup"]


def dask_setup(worker: Any) -> None:
    """Leave Ctrl-C to the driver, and nothing behind; write a log where it is a job.

    Parameters
    ----------
    worker
        The worker that starts.
    """
    # A terminal sends it to all processes at once; the driver closes its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    unname_lock()
    # It warns of each part that is given up when a worker is closed on purpose.
    logging.getLogger("distributed.worker.state_machine").setLevel(logging.ERROR)
    if not job_id():
        # The scheduler is in the process that started this one, and goes with it.
        logging.getLogger("distributed.worker").addFilter(_is_news)
        return
    log = logging.getLogger("argdask")
    log.setLevel(logging.INFO)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.info("worker %s of job %s", worker.name, job_id())


def _is_news(record: logging.LogRecord) -> bool:
    return "heartbeat" not in record.getMessage()
