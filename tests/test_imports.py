"""What imports what: every module stands on its floor and sees only those below."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import argdask

FOLDER = Path(argdask.__file__).parent

# DESIGN 3. A module may import from its own floor and from those below.
FLOORS: tuple[tuple[str, ...], ...] = (
    (
        "errors",
        "choices",
        "caching",
        "interrupts",
        "keeping",
        "memory",
        "packages",
        "places",
        "sampling",
        "schema",
        "yaml_files",
    ),
    (
        *("elementary", "kernels", "edges", "frames", "brightest", "profiles"),
        *(
            "cubes",
            "photometry",
            "igm",
            "interpolation",
            "noise",
            "own_noise",
            "streams",
        ),
        *("psf", "hankel", "transforms", "convolution", "matching"),
        *("outskirts", "transfers", "waves"),
        *("resampling", "isophotes", "profile_fit", "angular_size", "tracks"),
        *("hashing", "keyed_words", "orientations", "vectors"),
        *("statistics_kernels", "rounding"),
    ),
    (
        *("recipe", "recipe_schema", "recipe_sections", "recipe_tables"),
        *("recipe_observation", "telescopes", "psf_files", "psf_choices"),
        *("recipe_profiles", "brightness", "components", "component_tables", "sizes"),
        *("survey_presets", "preset_listing"),
        *("seds", "sed_building", "sed_choices", "sed_files", "sed_inspection"),
        *("sed_checks", "sed_labels", "sed_limits", "sed_sources", "smpy_grids"),
        "cosmologies",
        *("filter_curves", "spectra", "text_columns"),
        *("images", "image_files", "image_light", "image_sizes", "image_stamps"),
        *("tables", "table_columns", "table_files", "table_templates"),
        "table_redshifts",
        *("catalogue", "redshift_pairs", "redshift_rows", "template_lists"),
        *("evolution", "histories"),
    ),
    (
        *("rendering", "observing", "image_observing", "simulation", "psf_labels"),
        "new_sets",
        *("pairs", "pair_labels", "renoising"),
    ),
    (
        *("store", "run", "driver", "dispatch", "crews", "watchdog"),
        *("clusters", "cluster_choices", "job_queues", "slurm_runner"),
        *("submission", "worker_setup", "verification", "inspection"),
        *(
            "composites",
            "figures",
            "pair_plotting",
            "doctor",
            "folder_trials",
            "html_pages",
            "plotting",
            "reporting",
            "sed_plotting",
            "stretches",
            "truth_plotting",
            "versions",
            "loaders",
            "planning",
            "extension",
            "replacing",
            "steps",
        ),
        *("comparison", "copies", "mending", "monitoring", "skeletons", "forecast"),
        *("repaired", "loader_choices", "loader_order"),
        *("loader_prefetch", "loader_recipe", "loader_sources", "loader_store"),
        *("loader_stream", "loader_torch", "scalings", "splits"),
    ),
    (
        *("cli", "cli_cluster", "cli_look", "cli_mend", "cli_options", "cli_seds"),
        *("cli_doctor", "cli_output", "cli_stopping", "cli_store", "cli_submit"),
    ),
)
WORDS, KERNELS, TABLES, BUILDER, DELIVERY, FACE = range(len(FLOORS))

# Where a package may be imported, by the first part of a module's name or by floor.
HOMES: dict[str, set[str]] = {
    # Readers of what users bring; h5py also tells one kind of HDF5 file from another.
    # The store reads with it what netCDF4 writes: it can do without file locks.
    "h5py": {"smpy_grids", "sed_files", "store"},
    "zarr": {"store", "image_files"},
    "netCDF4": {"store", "versions"},
    "numcodecs": {"store"},
    "google_crc32c": {"store"},
    "matplotlib": {
        *("figures", "plotting", "pair_plotting", "sed_plotting", "truth_plotting"),
        "html_pages",
    },
    "click": set(FLOORS[FACE]),
    "rich": {"cli_output"},
    "torch": {"loader_torch"},
    "surveycodex": {"survey_presets"},
    "dask_jobqueue": {"job_queues", "slurm_runner"},
    "pydantic": {
        *("choices", "sampling", "recipe", "recipe_sections", "recipe_profiles"),
        *("recipe_observation", "sed_choices", "cluster_choices", "loader_choices"),
    },
    "yaml": {"choices", "yaml_files", "job_queues"},
    "numba": {"caching", "vectors"},
    "llvmlite": {"vectors", "store"},
    "dask": {name for floor in FLOORS[BUILDER:] for name in floor},
    "distributed": {name for floor in FLOORS[DELIVERY:] for name in floor},
}

MODULES = sorted(
    path.relative_to(FOLDER).with_suffix("").as_posix().replace("/", ".")
    for path in FOLDER.rglob("*.py")
)
PUBLIC = [name for name in MODULES if not name.endswith("__init__")]


def floor_of(name: str) -> int:
    first = name.split(".")[0]
    # A profile family may have a module of its own.
    first = "profiles" if first.startswith("profiles") else first
    found = [number for number, floor in enumerate(FLOORS) if first in floor]
    assert found, f"{name} stands on no floor: add it to DESIGN 3 and to this test"
    return found[0]


def source_of(name: str) -> ast.Module:
    path = FOLDER.joinpath(*name.split(".")).with_suffix(".py")
    return ast.parse(path.read_text("utf-8"))


def imports_of(name: str, *, top: bool = False) -> Iterator[str]:
    """Yield the full names of all that a module imports, wherever in its text.

    With `top`, only what is imported as soon as the module is: not inside functions,
    and not for type checkers alone.
    """
    tree = source_of(name)
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        checking = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if top and (isinstance(node, ast.FunctionDef) or checking):
            skipped.update(ast.walk(node))
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if _is_ours(whole) else str(node.module)


def _is_ours(whole: str) -> bool:
    return whole.removeprefix("argdask.") in MODULES


def needs_of(name: str, *, top: bool = False) -> set[str]:
    """Return the modules of argdask that a module imports."""
    names = (whole for whole in imports_of(name, top=top))
    return {n.removeprefix("argdask.") for n in names if n.startswith("argdask.")}


def test_there_are_modules_to_look_at() -> None:
    assert {"errors", "profiles", "store.plan", "run", "cli"} <= set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_imports_point_to_the_same_floor_or_down(name: str) -> None:
    for needed in needs_of(name):
        if needed in ("store", "store.__init__"):
            continue
        assert floor_of(needed) <= floor_of(name), f"{name} imports {needed}"


def test_no_module_needs_itself_in_the_end() -> None:
    needs = {name: needs_of(name) & set(PUBLIC) for name in PUBLIC}
    while needs:
        # Taking away what needs nothing more, until nothing is left.
        free = {name for name, needed in needs.items() if not needed & set(needs)}
        assert free, f"a circle among {sorted(needs)}"
        needs = {name: needed for name, needed in needs.items() if name not in free}


@pytest.mark.parametrize("name", PUBLIC)
def test_packages_are_imported_only_where_they_belong(name: str) -> None:
    packages = {whole.split(".")[0] for whole in imports_of(name)}
    for package in packages & set(HOMES):
        assert name.split(".")[0] in HOMES[package], f"{name} imports {package}"


@pytest.mark.parametrize("name", [n for n in PUBLIC if floor_of(n) == KERNELS])
def test_kernels_know_neither_labels_nor_files(name: str) -> None:
    packages = {whole.split(".")[0] for whole in imports_of(name)}
    assert not packages & {"xarray", "dask", "h5py", "zarr", "yaml", "pathlib", "os"}


def test_only_the_face_imports_the_facade() -> None:
    users = [
        name
        for name in PUBLIC
        if any(whole == "argdask" for whole in imports_of(name))
        # `from argdask import seds` names a module, not the facade.
    ]
    assert users == ["cli", "cli_look", "cli_store"]


def test_the_facade_imports_nothing_before_it_is_asked() -> None:
    script = "import sys, argdask; print([n for n in sys.modules if 'argdask.' in n])"
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"


def test_a_run_waits_for_no_part_of_scipy_before_it_is_used() -> None:
    # Half a second of each command and of each worker's start.
    parts = "fft interpolate ndimage optimize sparse spatial stats"
    script = (
        "import sys, argdask.cli, argdask.clusters, argdask.run, argdask.mending\n"
        f"print([n for n in '{parts}'.split() if f'scipy.{{n}}' in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("name", argdask.__all__)
def test_each_public_name_is_where_the_facade_says(name: str) -> None:
    home = importlib.import_module(argdask._HOMES[name])
    assert getattr(argdask, name) is getattr(home, name)
    assert name in home.__all__
    assert getattr(argdask, name).__doc__
    assert name in dir(argdask)


def test_the_facade_lists_each_name_once() -> None:
    assert sorted(argdask._HOMES) == sorted(argdask.__all__)
    # What type checkers see is the same list.
    tree = source_of("__init__")
    seen = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("argdask.")
        for alias in node.names
    }
    assert seen == set(argdask.__all__)


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'simulat'"):
        _ = argdask.simulat


@pytest.mark.parametrize("name", PUBLIC)
def test_every_module_says_what_it_does_and_what_is_public(name: str) -> None:
    tree = source_of(name)
    docstring = ast.get_docstring(tree)
    assert docstring
    first = docstring.splitlines()[0]
    assert first.endswith((".", "?"))
    module = importlib.import_module(f"argdask.{name}")
    assert list(module.__all__) == sorted(module.__all__, key=_as_ruff)
    for public in module.__all__:
        assert hasattr(module, public), f"{name}.{public} is not there"


def _as_ruff(name: str) -> tuple[int, str]:
    """Constants first, then classes, then functions, as ruff sorts them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


@pytest.mark.parametrize("name", PUBLIC)
def test_what_a_module_takes_from_another_is_public_there(name: str) -> None:
    for node in ast.walk(source_of(name)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("argdask."):
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                assert _is_ours(whole) or alias.name in module.__all__, whole
