"""What made a piece of a store: versions, machine and job."""

from __future__ import annotations

import os
import platform
from functools import cache
from importlib import metadata
from typing import Any

import llvmlite.binding

__all__ = ["environment", "job_id"]


@cache
def environment() -> dict[str, str]:
    """Return what the bits of a pixel may depend on besides the plan.

    Returns
    -------
    dict
        Versions of the packages that compute, and the kind of machine.
    """
    packages = ("argdask", "numpy", "scipy", "numba", "llvmlite")
    found: dict[str, Any] = {name: metadata.version(name) for name in packages}
    found["python"] = platform.python_version()
    found["machine"] = platform.machine()
    found["processor"] = llvmlite.binding.get_host_cpu_name()
    return found


def job_id() -> str:
    """Return the id of the cluster job that this process runs in, or nothing."""
    names = ("SLURM_JOB_ID", "PBS_JOBID", "JOB_ID", "LSB_JOBID", "OAR_JOB_ID")
    return next((os.environ[name] for name in names if name in os.environ), "")
