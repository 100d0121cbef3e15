"""The results of a run as a page of tables, and as plots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["draw", "page"]

# Okabe and Ito's colours, which the colour-blind can tell apart; and other markers.
_STYLES = (("#D55E00", "s", "--"), ("#0072B2", "o", "-"), ("#009E73", "^", ":"))

_INTRODUCTION = """\
Made by `python tests/benchmarks/suite.py`, which also draws the plots. Every ratio is
of two times within one run, measured in turn, each the best of several; behind it are
the lowest and the highest ratio of one turn. "Theirs" is what argdask is compared with.
Where a bar asks for at least so much, the ratio says how many times as fast argdask is;
where it asks for at most so much, how many times the time it takes. A bar that is
missed is told and changes nothing; accuracy is asserted in the same run.
"""


def number(value: float | None) -> str:
    """Return a figure with three digits that count."""
    if value is None:
        return ""
    if value and abs(value) < 1e-3:
        return f"{value:.1e}"
    if abs(value) >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def page(found: dict[str, Any]) -> str:
    """Return a run's results as Markdown."""
    rows = [row for group in found["groups"] for row in group["rows"]]
    barred = [row for row in rows if row["bar"]]
    met = sum(row["met"] is True for row in barred)
    checks = [check for group in found["groups"] for check in group["checks"]]
    hold = sum(check["holds"] for check in checks)
    lines = ["# Results of the benchmarks", "", _INTRODUCTION]
    if found["quick"]:
        lines += ["**Small sets only (`--quick`): the figures mean little.**", ""]
    lines += [
        f"{met} of {len(barred)} bars are met; {hold} of {len(checks)} claims of "
        f"accuracy hold. The run took {found['seconds']:.0f} s.",
        "",
        "## Machine",
        "",
        "| what | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in found["machine"].items()),
    ]
    for group in found["groups"]:
        lines += ["", *_section(group)]
    return "\n".join(lines) + "\n"


def _section(group: dict[str, Any]) -> list[str]:
    lines = [f"## {group['title']}", ""]
    if group["rows"]:
        lines += [
            "| row | theirs | argdask | unit | ratio | bar | |",
            "|---|---:|---:|---|---:|---|---|",
            *map(_line, group["rows"]),
            "",
        ]
    for curve in group["curves"]:
        lines += [f"![{curve['y']} by {curve['x']}](plots/{curve['name']}.png)", ""]
        lines += _points(curve)
    for check in group["checks"]:
        holds = "" if check["holds"] else " **does not hold**"
        error, limit = number(check["error"]), number(check["limit"])
        lines.append(f"- {check['name']}: {error}, at most {limit}{holds}")
    lines += [f"- {note}" for note in group["notes"]]
    return lines


def _line(row: dict[str, Any]) -> str:
    ratio = number(row["ratio"])
    alone = row["theirs"] is None
    if row["spread"]:
        low, high = map(number, row["spread"])
        ratio = f"{ratio} ({low} to {high})"
    said = {True: "met", False: "**missed**", None: ""}[row["met"]]
    if row["bar"] and row["ratio"] is None:
        said = "not measured"
    told = "; ".join(filter(None, (said, row["note"])))
    cells = (
        row["name"],
        number(row["theirs"]),
        number(row["ours"]),
        row["unit"],
        "" if alone else ratio,
        row["bar"].replace(">=", "≥").replace("<=", "≤"),
        told,
    )
    return "| " + " | ".join(cells) + " |"


def _points(curve: dict[str, Any]) -> list[str]:
    lines = [f"| {curve['x']} | way | {curve['y']} |", "|---:|---|---:|"]
    for label, points in curve["lines"].items():
        lines += [f"| {number(x)} | {label} | {number(y)} |" for x, y in points]
    return [*lines, ""]


def draw(curves: list[dict[str, Any]], folder: Path) -> None:
    """Draw the curves of a run, a file each."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    # So that a plot of the same figures has the same bytes.
    told = {"Software": None}
    for curve in curves:
        with mpl.rc_context({"font.size": 9}):
            figure = Figure(figsize=(4.5, 3.2), layout="constrained")
            axes = figure.subplots()
            for style, (label, points) in zip(
                _STYLES, curve["lines"].items(), strict=False
            ):
                colour, marker, line = style
                x, y = zip(*points, strict=True)
                axes.loglog(x, y, line, color=colour, marker=marker, label=label)
            axes.set(xlabel=curve["x"], ylabel=curve["y"], title=curve["title"])
            places = sorted({x for line in curve["lines"].values() for x, _ in line})
            if len(places) < 7:
                axes.set_xticks(places, [number(x) for x in places])
                axes.set_xticks([], minor=True)
            axes.grid(visible=True, alpha=0.3)
            axes.legend()
            figure.savefig(folder / f"{curve['name']}.png", dpi=110, metadata=told)
