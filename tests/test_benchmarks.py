"""What the benchmarks share: bars, ratios, the page and the machine."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the benchmarks, which see each other as programs do."""
    monkeypatch.syspath_prepend(FOLDER)

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    return load


@pytest.mark.parametrize(
    ("ratio", "bar", "met"),
    [
        (60.0, ">= 60", True),
        (59.9, ">= 60", False),
        (1.25, "<= 1.25", True),
        (1.26, "<= 1.25", False),
        (5.0, "< 5", False),
        (float("nan"), ">= 60", False),
        (None, ">= 60", None),
        (3.0, "", None),
    ],
)
def test_a_bar_is_met_or_not(
    load: Any, ratio: float | None, bar: str, met: bool | None
) -> None:
    assert load("measuring").is_met(ratio, bar) is met


def test_a_ratio_is_of_the_best_and_its_spread_of_rounds(load: Any) -> None:
    ratio, spread = load("measuring").quotient([4.0, 2.0], [1.0, 2.0])
    assert ratio == 2.0
    assert spread == (1.0, 4.0)


def test_every_other_round_goes_backwards(load: Any) -> None:
    order: list[str] = []
    ways = {name: lambda name=name: order.append(name) for name in "ab"}
    prepared: list[int] = []
    times = load("measuring").interleaved(
        ways, 3, prepare=lambda: prepared.append(len(order))
    )
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert prepared == [0, 1, 2, 3, 4, 5]
    assert [len(times[name]) for name in "ab"] == [3, 3]


def measured_by(measuring: Any) -> Any:
    measured = measuring.Measured("Some rows")
    times = {"loop": [8e-3, 9e-3], "ours": [2e-3, 1e-3]}
    told = {"count": {"loop": 2, "ours": 4}}
    measured.faster("fast", times, ("loop", "ours"), bar=">= 60", **told)
    measured.faster("rate", times, ("loop", "ours"), unit="pairs / s", **told)
    measured.cost("dear", times, ("loop", "ours"), unit="ms", bar="<= 1.25", **told)
    measured.value("alone", 12345.0, "pairs / s", ">= 12000")
    measured.missing("absent", ">= 3", "xbatcher comes with the extra bench")
    measured.check("good", 1e-4, 1e-3)
    measured.check("bad", float("nan"), 1e-3)
    lines = {"loop": [(1.0, 9.0)], "argdask": [(1.0, 2.0), (10.0, 1.0)]}
    curve = measuring.Curve("number", "a title", "galaxies", "cost [µs]", lines)
    measured.curves.append(curve)
    return measured


def test_times_of_different_counts_are_of_one_each(load: Any) -> None:
    fast, rate, dear, alone, absent = measured_by(load("measuring")).rows
    assert fast.theirs == pytest.approx(4000)
    assert fast.ours == pytest.approx(250)
    assert fast.ratio == pytest.approx(16)
    assert fast.spread == pytest.approx((8, 18))
    assert fast.met is False
    assert (rate.theirs, rate.ours) == (pytest.approx(250), pytest.approx(4000))
    assert dear.ratio == pytest.approx(1 / 16)
    assert dear.ours == pytest.approx(0.25)
    assert dear.met is True
    assert alone.met is True
    assert (absent.ratio, absent.met) == (None, None)


def found_by(measuring: Any) -> dict[str, Any]:
    group = measured_by(measuring).told()
    machine = {"processor": "some"}
    return {"machine": machine, "quick": False, "seconds": 1.0, "groups": [group]}


def test_the_page_tells_rows_bars_and_accuracy(load: Any) -> None:
    page = load("results").page(found_by(load("measuring")))
    assert "2 of 4 bars are met; 1 of 2 claims of accuracy hold." in page
    assert "| fast | 4,000 | 250 | µs | 16 (8 to 18) | ≥ 60 | **missed** |" in page
    assert "| alone |  | 12,300 | pairs / s |  | ≥ 12000 | met |" in page
    absent = "| absent |  |  |  |  | ≥ 3 | not measured; xbatcher comes"
    assert absent in page
    assert "- bad: nan, at most 0.001 **does not hold**" in page
    assert "![cost [µs] by galaxies](plots/number.png)" in page
    assert "| 10 | argdask | 1 |" in page
    assert "small sets only" not in page.lower()


def test_plots_are_drawn_with_the_same_bytes(load: Any, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    curves = found_by(load("measuring"))["groups"][0]["curves"]
    for folder in ("one", "two"):
        load("results").draw(curves, tmp_path / folder)
    one, two = (tmp_path / name / "number.png" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    assert one.stat().st_size < 60_000


def test_the_file_system_is_that_of_the_innermost_mount(
    load: Any, tmp_path: Path
) -> None:
    inner = tmp_path / "a b"
    inner.mkdir()
    escaped = str(inner).replace(" ", "\\040")
    mounts = f"one / ext4 rw 0 0\ntwo {escaped} xfs rw 0 0\n"
    filesystem_of = load("machine").filesystem_of
    assert filesystem_of(inner, mounts) == "xfs"
    assert filesystem_of(tmp_path, mounts) == "ext4"
    assert filesystem_of(tmp_path, "") == "unknown"


def test_groups_are_chosen_by_name_in_their_own_order(load: Any) -> None:
    suite = load("suite")
    assert suite.groups_of("floors,pairs") == ("pairs", "floors")
    with pytest.raises(Exception, match="among rendering, pairs"):
        suite.groups_of("nothing")
    assert all((FOLDER / f"{name}.py").exists() for name in suite.GROUPS)
