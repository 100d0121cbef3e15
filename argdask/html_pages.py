"""Pages of HTML that need nothing but themselves: text, tables, pictures inside."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figure_in", "note", "page", "preformatted", "section", "table"]

# Readable in the dark too, and on paper, where all that is folded up is open.
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #ffffff; --faint: #5c5c5c;
  --line: #d0d0d0; --box: #f4f4f4; --good: #00664b; --bad: #a63c00; }
@media screen and (prefers-color-scheme: dark) { :root {
  --ink: #e6e6e6; --paper: #161616;
  --faint: #a8a8a8; --line: #444444; --box: #242424; --good: #4fc9a3;
  --bad: #ff9a66; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 74rem; padding: 1.5rem; color: var(--ink);
  background: var(--paper); font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 0.3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 0.5rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; margin: 0.5rem 0; }
th, td { text-align: left; vertical-align: top; padding: 0.15rem 1rem 0.15rem 0;
  overflow-wrap: anywhere; }
th { font-weight: 600; }
tr > :first-child { white-space: nowrap; overflow-wrap: normal; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
tbody tr + tr td, tbody tr + tr th { border-top: 1px solid var(--line); }
pre { background: var(--box); padding: 0.8rem; font-size: 12px; line-height: 1.35;
  overflow-x: auto; white-space: pre-wrap; }
figure { margin: 0.8rem 0; }
figure img { max-width: 100%; background: #ffffff; border-radius: 4px; }
figcaption, .faint { color: var(--faint); font-size: 0.9em; }
.wide { overflow-x: auto; }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
@media print { body { max-width: none; padding: 0; font-size: 10pt; color: #000000;
    background: #ffffff; }
  figure, tr { break-inside: avoid; } h2 { break-after: avoid; } }
"""


def page(title: str, sections: Iterable[str]) -> str:
    """Return a whole page.

    Parameters
    ----------
    title
        Its title, as text.
    sections
        What is on it, as HTML.

    Returns
    -------
    str
        HTML that loads nothing and runs nothing.
    """
    name = html.escape(title)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{name}</h1>\n" + "\n".join(sections) + "\n</body>\n</html>\n"
    )


def section(title: str, *contents: str) -> str:
    """Return a section of a page, or nothing where there is nothing in it.

    Parameters
    ----------
    title
        Its title, as text.
    *contents
        What is in it, as HTML.
    """
    inside = "\n".join(filter(None, contents))
    if not inside:
        return ""
    return f"<section>\n<h2>{html.escape(title)}</h2>\n{inside}\n</section>"


def table(
    rows: Iterable[Sequence[object]],
    head: Sequence[str] = (),
    numbers: Sequence[int] = (),
) -> str:
    """Return a table, or nothing where there are no rows.

    Parameters
    ----------
    rows
        Its cells as text, row by row; without a head the first of a row is its name.
    head
        Names of the columns.
    numbers
        Columns of numbers, which stand to the right.
    """

    def cell(kind: str, column: int, value: object) -> str:
        style = ' class="number"' if column in numbers else ""
        return f"<{kind}{style}>{html.escape(str(value))}</{kind}>"

    def line(values: Sequence[object], *, named: bool) -> str:
        kinds = ["th" if named and k == 0 else "td" for k in range(len(values))]
        cells = (cell(kind, k, values[k]) for k, kind in enumerate(kinds))
        return f"<tr>{''.join(cells)}</tr>"

    body = "\n".join(line(row, named=not head) for row in rows)
    if not body:
        return ""
    titles = "".join(cell("th", column, name) for column, name in enumerate(head))
    above = f"<thead><tr>{titles}</tr></thead>\n" if head else ""
    return f'<div class="wide"><table>\n{above}<tbody>\n{body}\n</tbody></table></div>'


def note(text: str, kind: str = "faint") -> str:
    """Return a paragraph.

    Parameters
    ----------
    text
        What it says.
    kind
        Either faint, good or bad.
    """
    return f'<p class="{kind}">{html.escape(text)}</p>'


def preformatted(text: str) -> str:
    """Return text whose lines stay as they are."""
    return f"<pre>{html.escape(text)}</pre>"


def figure_in(figure: Figure, caption: str) -> str:
    """Return a picture with what it shows, inside the page itself.

    Parameters
    ----------
    figure
        The picture.
    caption
        What it shows, as text.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, facecolor=figure.get_facecolor())
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    told = html.escape(caption)
    return (
        f'<figure><img alt="{told}" src="data:image/png;base64,{data}">'
        f"<figcaption>{told}</figcaption></figure>"
    )
