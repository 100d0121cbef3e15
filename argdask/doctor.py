"""Is all there that argdask needs? The installation, clusters, the output folder."""

from __future__ import annotations

import json
import os
import shutil
import socket
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from argdask.errors import InputError
from argdask.folder_trials import FolderTrials
from argdask.places import place_of
from argdask.versions import extras, versions

__all__ = ["Diagnosis", "Finding", "diagnose"]

State = Literal["ok", "warning", "failure"]

# Below these a folder is told to be slow or nearly full.
_SLOW, _FEW_FILES = 30e6, 20.0
_LITTLE_SPACE, _FEW_INODES = 2e9, 10_000

# Programs by which jobs are submitted, and the batch systems that have them.
_PROGRAMS = {
    "sbatch": "slurm",
    "qsub": "pbs or sge",
    "bsub": "lsf",
    "oarsub": "oar",
    "condor_submit": "htcondor",
}

# How long a scheduler may take to answer [s].
_PATIENCE = 5.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    """What was looked at."""
    state: State
    """ok, warning or failure."""
    told: str
    """What was found."""
    cure: str = ""
    """What to do about it."""


@dataclass(frozen=True)
class Diagnosis:
    """All that was looked at."""

    folder: Path
    """The folder that stores shall be written to."""
    versions: dict[str, str]
    """Versions by package."""
    findings: tuple[Finding, ...]
    """One for each thing."""

    @property
    def passed(self) -> bool:
        """Whether nothing failed; warnings may be there."""
        return all(finding.state != "failure" for finding in self.findings)

    def to_json(self) -> str:
        """Return the diagnosis as JSON."""
        fields = {
            "passed": self.passed,
            "folder": str(self.folder),
            "versions": self.versions,
            "findings": [asdict(finding) for finding in self.findings],
        }
        return json.dumps(fields, indent=2)

    def to_text(self, *, troubles: bool = False) -> str:
        """Return the diagnosis as lines for a person.

        Parameters
        ----------
        troubles
            Only what is not ok.
        """
        lines = []
        for one in self.findings:
            if one.state == "ok" and troubles:
                continue
            cure = f"; {one.cure}" if one.cure else ""
            lines.append(f"{one.state:8} {one.name:14} {one.told}{cure}")
        return "\n".join(lines)


def diagnose(folder: str | Path = ".", *, megabytes: int = 256) -> Diagnosis:
    """Look at the installation, the cluster configuration and an output folder.

    Parameters
    ----------
    folder
        Where stores shall be written; what is written for a trial is deleted.
    megabytes
        Size of the file by which the speed of writing is measured.

    Returns
    -------
    Diagnosis
        What was found, and the cure of what is wrong.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    place = place_of(folder, "folder")
    if not place.is_dir():
        expected = "a folder that is there"
        raise InputError("folder", str(folder), expected, "make it, or name another")
    found = versions()
    findings = (*_installation(found), *_clusters(), *_folder(place, megabytes))
    return Diagnosis(place.resolve(), found, findings)


def _installation(found: dict[str, str]) -> Iterator[Finding]:
    told = ", ".join(f"{name} {version}" for name, version in found.items())
    yield Finding("versions", "ok", told)
    for extra in extras():
        if not extra.missing:
            yield Finding(f"extra {extra.name}", "ok", f"installed: {extra.brings}")
            continue
        told = f"{', '.join(extra.missing)} not installed: {extra.brings}"
        cure = f"if wanted, pip install 'argdask[{extra.name}]'"
        yield Finding(f"extra {extra.name}", "warning", told, cure)
    yield _kernels()


def _kernels() -> Finding:
    from argdask.caching import cache_folder

    folder = cache_folder()
    if folder is None:
        told = "no folder can be written, so every process compiles anew"
        cure = "set ARGDASK_CACHE to a folder of yours"
        return Finding("kernels", "warning", told, cure)
    kept = sum(1 for _ in (folder / "kernels").rglob("*.nbc"))
    state = f"{kept} files of machine code" if kept else "compiled when first used"
    return Finding("kernels", "ok", f"{folder} can be written; {state}")


def _clusters() -> Iterator[Finding]:
    import dask

    from argdask.clusters import available_cores

    cores = available_cores()
    yield Finding("cores", "ok", f"{cores} for this process")
    folders = [Path(one) for one in dask.config.paths]
    there = [f for folder in folders for f in sorted(folder.glob("*.y*ml"))]
    told = ", ".join(str(one) for one in there) or "no files, so dask's defaults"
    yield Finding("dask config", "ok", told)
    programs = {name: shutil.which(name) for name in _PROGRAMS}
    found = [f"{name} ({_PROGRAMS[name]})" for name, at in programs.items() if at]
    missing = [extra for extra in extras() if extra.name == "hpc" and extra.missing]
    if found and missing:
        cure = "pip install 'argdask[hpc]' to make jobs of workers"
        told = f"{', '.join(found)}, but no dask-jobqueue"
        yield Finding("batch system", "warning", told, cure)
    else:
        told = ", ".join(found) or "none here; --cluster local uses this machine"
        yield Finding("batch system", "ok", told)
    yield _own_name(bool(found))
    address = dask.config.get("scheduler-address", None)
    if address is not None:
        yield _scheduler(str(address))


def _own_name(batch: bool) -> Finding:
    """Find out where workers on other machines would look for this one."""
    from argdask.job_queues import own_address

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is told here
        found = own_address()
    told = f"{socket.gethostname()} is {found}"
    if batch and found.startswith("127."):
        cure = "name its network interface in a file for --cluster-config"
        told = f"{told}, where no other machine reaches it"
        return Finding("address", "warning", told, cure)
    return Finding("address", "ok", told)


def _scheduler(address: str) -> Finding:
    from distributed.comm.addressing import get_address_host_port

    cure = "start it, or unset DASK_SCHEDULER_ADDRESS"
    try:
        place = get_address_host_port(address)
        socket.create_connection(place, timeout=_PATIENCE).close()
    except (OSError, ValueError) as error:
        told = f"{address} does not answer ({error})"
        return Finding("scheduler", "failure", told, cure)
    return Finding("scheduler", "ok", f"{address} answers")


def _folder(folder: Path, megabytes: int) -> Iterator[Finding]:
    """Look at the folder that stores shall be written to."""
    here = "choose another folder"
    usage, room = shutil.disk_usage(folder), os.statvfs(folder)
    told = f"{usage.free / 1e9:,.1f} GB free of {usage.total / 1e9:,.1f} GB"
    tight = usage.free < _LITTLE_SPACE
    yield Finding("space", "warning" if tight else "ok", told, here if tight else "")
    # Some file systems make inodes as they need them, and count none.
    if room.f_files:
        few = room.f_favail < _FEW_INODES
        told = f"{room.f_favail:,} files can be made"
        yield Finding("inodes", "warning" if few else "ok", told, here if few else "")
    try:
        with FolderTrials(folder) as trials:
            yield _speed(trials, min(megabytes * 10**6, usage.free // 10))
            yield _small_files(trials)
            trials.rename_folder()
            yield Finding("rename", "ok", "files and folders are renamed whole, synced")
            yield _locks(trials)
    except OSError as error:
        told = f"{folder} cannot be written as stores are ({error.strerror})"
        yield Finding("folder", "failure", told, here)


def _speed(trials: FolderTrials, size: int) -> Finding:
    rate = trials.write_speed(size)
    told = f"{rate / 1e6:,.0f} MB/s, one synced file of {size / 1e6:,.0f} MB"
    if rate < _SLOW:
        cure = "choose a faster folder, or a recipe with layout.compression"
        return Finding("write speed", "warning", told, cure)
    return Finding("write speed", "ok", told)


def _small_files(trials: FolderTrials) -> Finding:
    rate = trials.files_per_second()
    told = f"{rate:,.0f} a second, each synced and renamed"
    if rate < _FEW_FILES:
        cure = "larger parts make fewer files (layout.part)"
        return Finding("small files", "warning", told, cure)
    return Finding("small files", "ok", told)


def _locks(trials: FolderTrials) -> Finding:
    if trials.locks_work():
        return Finding("file locks", "ok", "work")
    cure = "export HDF5_USE_FILE_LOCKING=FALSE before you read netCDF with others"
    return Finding("file locks", "warning", "do not work here", cure)
