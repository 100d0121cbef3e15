"""Lists that follow from the code: recipe keys, commands, variables, surveys.

Where a page has a line ``<!-- listing: NAME -->``, what `LISTINGS` makes of the code
stands in its place before the page is parsed, so that no list is kept by hand.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click

import argdask as ad
from argdask.choices import Choices
from argdask.cli import cli
from argdask.cluster_choices import ClusterChoices
from argdask.loader_choices import LoaderChoices
from argdask.preset_listing import text_of_presets
from argdask.recipe import Recipe
from argdask.recipe_schema import schema_of
from argdask.schema import VARIABLES
from argdask.sed_choices import SedGrid

__all__ = ["CHOICES", "LISTINGS", "anchor_of", "sections_of", "setup"]

_PLACE = re.compile(r"<!-- listing: (.+?) -->")

# A notebook's links to files of the repository that are no pages lead nowhere here.
_OUTSIDE = re.compile(r"\[([^][]+)\]\(\.\./[^)]*\)")

_ALIAS = re.compile(r"TypeAliasForwardRef\('(\w+)'\)")

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "tests" / "benchmarks" / "RESULTS.md"
IMPORTS = ROOT / "tests" / "test_imports.py"

# Sections in the order in which a person writes them; what is not named here follows.
_ORDER = (
    *("SersicProfile", "ComponentsProfile", "Component", "ImageProfile"),
    *("Redshifts", "Templates", "Brightness", "Scale", "UserCatalogue"),
    *("Observation", "Target", "GaussianPSF", "MoffatPSF", "AiryPSF", "ImagePSF"),
    *("Noise", "Layout"),
    *("Constant", "Uniform", "Normal", "Lognormal", "Beta", "Choice"),
)
_LAWS = _ORDER[-6:]
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}

CHOICES: dict[str, type[Choices]] = {
    "recipe": Recipe,
    "seds": SedGrid,
    "clusters": ClusterChoices,
}
"""What YAML files may hold, by the name of the list."""


def sections_of(listing: str) -> dict[str, dict[str, Any]]:
    """Return the JSON schema of each section of a YAML file.

    Parameters
    ----------
    listing
        One of `CHOICES`.

    Returns
    -------
    dict
        By the names of their classes, the file itself first.
    """
    choices = CHOICES[listing]
    schema = schema_of(choices, choices.__name__)
    below = schema.get("$defs", {})
    last = len(_ORDER)
    names = sorted(below, key=lambda n: _ORDER.index(n) if n in _ORDER else last)
    return {choices.__name__: schema, **{name: below[name] for name in names}}


def anchor_of(listing: str, section: str, key: str = "") -> str:
    """Return the anchor of a section, or of a key of it, in its page."""
    return "-".join(filter(None, (listing, section.lower(), key.replace("_", "-"))))


def _choices(listing: str) -> Iterator[str]:
    sections = sections_of(listing)
    for number, (name, section) in enumerate(sections.items()):
        yield from [f"({anchor_of(listing, name)})=", f"## {name}", ""]
        if number:
            yield from [_plain(section.get("description", "")), ""]
            if name not in _LAWS:
                places = [f"`{place}`" for place in _places_of(name, sections)]
                yield from [f"It stands at {', '.join(places)}.", ""]
        required = section.get("required", [])
        for key, told in section["properties"].items():
            kinds = _kinds(listing, told)
            default = "" if key in required else _default(told)
            yield f"[`{key}`]{{#{anchor_of(listing, name, key)}}}: {kinds}{default}"
            yield f":   {_plain(told.get('description', ''))}"
            yield ""


def _places_of(wanted: str, sections: dict[str, dict[str, Any]]) -> list[str]:
    """Return all places of a section in the file, with dots between keys."""
    found, todo = [], [(next(iter(sections)), "")]
    for name, above in todo:
        if name == wanted:
            found.append(above.removesuffix("."))
            continue
        for key, told in sections[name]["properties"].items():
            places = dict.fromkeys(_references(told))
            todo += [(below, f"{above}{key}.{more}") for below, more in places]
    assert found, f"{wanted} stands nowhere"
    return found


def _references(told: Any, more: str = "") -> Iterator[tuple[str, str]]:
    """Find the sections that a key may hold, and what is between it and them."""
    if isinstance(told, dict):
        if "$ref" in told:
            yield told["$ref"].rpartition("/")[2], more
        for word, below in told.items():
            named = word == "additionalProperties"
            yield from _references(below, f"{more}NAME." if named else more)
    elif isinstance(told, list):
        for one in told:
            yield from _references(one, more)


def _default(told: dict[str, Any]) -> str:
    if "default" not in told:
        return ""
    value = told["default"]
    if value is None:
        return "; may be left out"
    if isinstance(value, dict):
        if "distribution" not in value:
            return ""
        first = {"distribution": value["distribution"]}
        shown = {k: v for k, v in (first | value).items() if v is not None}
        text = ", ".join(f"{k}: {v}" for k, v in shown.items())
        text = f"{value['value']:g}" if value["distribution"] == "constant" else text
        return f"; default `{text}`"
    text = value if isinstance(value, str) else json.dumps(value)
    return f"; default `{text}`"


def _kinds(listing: str, told: dict[str, Any]) -> str:
    """Say in words what a JSON schema allows."""
    if "$ref" in told:
        name = told["$ref"].rpartition("/")[2]
        return _link(listing, name)
    for word in ("anyOf", "oneOf", "allOf"):
        if word in told:
            members = [one for one in told[word] if one.get("type") != "null"]
            kinds = list(dict.fromkeys(_kinds(listing, one) for one in members))
            return " or ".join(_with_laws(listing, kinds))
    if "const" in told:
        return f"`{told['const']}`"
    if "enum" in told:
        return " or ".join(f"`{one}`" for one in told["enum"])
    kind = told.get("type")
    if kind == "array":
        items = told.get("items") or (told.get("prefixItems") or [{}])[0]
        many = told.get("minItems")
        exact = many is not None and many == told.get("maxItems")
        each = _kinds(listing, items)
        return f"list of {many}, each {each}" if exact else f"list of {each}"
    if kind == "object":
        below = told.get("additionalProperties")
        of_one_kind = isinstance(below, dict)
        each = f", each with {_kinds(listing, below)}" if of_one_kind else ""
        return f"names{each}"
    words = {
        "integer": "whole number",
        "number": "number",
        "string": "text",
        "boolean": "true or false",
    }
    given = [(text, told[key]) for key, text in _BOUNDS.items() if key in told]
    bounds = [text.format(_short(value)) for text, value in given]
    return ", ".join([words.get(str(kind), "anything"), *bounds])


def _short(value: float) -> str:
    for base in (2, 10):
        power = round(math.log(value, base)) if value > 1e4 else 0
        if power and base**power == value:
            return f"{base}^{power}"
    return f"{value:g}"


def _link(listing: str, name: str) -> str:
    return f"[{name}](#{anchor_of(listing, name)})"


def _with_laws(listing: str, kinds: list[str]) -> list[str]:
    """Write the six distributions as one word."""
    laws = [_link(listing, name) for name in _LAWS]
    others = [one for one in kinds if one not in (*laws, " or ".join(laws))]
    return others if len(others) == len(kinds) else [*others, "[a distribution](laws)"]


def _commands() -> Iterator[str]:
    context = click.Context(cli, info_name="argdask")
    yield from _options(cli, context)
    for name in sorted(cli.commands):
        command = cli.commands[name]
        below = click.Context(command, info_name=name, parent=context)
        usage = command.get_usage(below).removeprefix("Usage: ")
        yield from [f"(command-{name})=", f"## argdask {name}", ""]
        yield from ["```text", " ".join(usage.split()), "```", ""]
        for paragraph in (command.help or "").split("\n\n"):
            yield from [_plain(paragraph), ""]
        yield from _options(command, below)
        if command.epilog:
            lines = command.epilog.replace("\b", "").strip().splitlines()[1:]
            shown = [line.strip() for line in lines]
            yield from ["Examples:", "", "```text", *shown, "```", ""]


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for option in command.get_params(context):
        if not isinstance(option, click.Option):
            continue
        record = option.get_help_record(context)
        if record is None or "--help" in option.opts:
            continue
        yield f"`{record[0]}`"
        yield f":   {_plain(record[1])}"
        yield ""


def _variables() -> Iterator[str]:
    yield from ["| name | dims | dtype | unit | what |", "|---|---|---|---|---|"]
    for one in VARIABLES.values():
        dims = ", ".join(one.dims)
        told = one.long_name + (" (also by component)" if one.of_component else "")
        yield f"| `{one.name}` | {dims} | {one.dtype} | {one.units} | {told} |"


def _presets() -> Iterator[str]:
    yield from ["```text", text_of_presets().rstrip(), "```"]


def _others() -> Iterator[str]:
    """Document the public names that the page of Python does not mention."""
    page = (Path(__file__).parent / "python.md").read_text("utf-8")
    others = [n for n in ad.__all__ if not re.search(rf":: argdask\.{n}\b", page)]
    if others:
        lines = [f".. autofunction:: argdask.{name}" for name in others]
        yield from ["## More", "", "```{eval-rst}", *lines, "```"]


def _results() -> Iterator[str]:
    """Include what was measured, where somebody has."""
    if RESULTS.is_file():
        # Its own title would be a second one of the page; pictures are where it is.
        text = re.sub(r"^# .*\n", "", RESULTS.read_text("utf-8"))
        yield text.replace("](plots/", "](../../tests/benchmarks/plots/")


def _floor(number: int) -> Iterator[str]:
    """Name the modules of a floor as the test of imports has them."""
    for node in ast.parse(IMPORTS.read_text("utf-8")).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "FLOORS":
            assert isinstance(node.value, ast.Tuple)
            parts = ast.walk(node.value.elts[number])
            names = sorted(str(n.value) for n in parts if isinstance(n, ast.Constant))
            yield ", ".join(f"`{name}`" for name in names)


def _plain(text: str) -> str:
    """Put a text on one line, with nothing in it that Markdown would take for more."""
    line = " ".join(text.replace("\b", "").split())
    return re.sub(r"([*_<>\[\]|])(?![^`]*`(?:[^`]*`[^`]*`)*[^`]*$)", r"\\\1", line)


def _loader() -> Iterator[str]:
    for name, field in LoaderChoices.model_fields.items():
        default = "none" if field.default is None else json.dumps(field.default)
        yield f"`{name}`: default `{default}`"
        yield f":   {_plain(field.description or '')}"
        yield ""


LISTINGS: dict[str, Callable[[], Iterator[str]]] = {
    **{name: partial(_choices, name) for name in CHOICES},
    "commands": _commands,
    "loader": _loader,
    "others": _others,
    "presets": _presets,
    "results": _results,
    **{f"floor {number}": partial(_floor, number) for number in range(6)},
    "variables": _variables,
}
"""What makes the lines of each list."""


def _fill_in(app: Any, name: str, source: list[str]) -> None:
    def listed(found: re.Match[str]) -> str:
        return "\n".join(LISTINGS[found[1]]())

    source[0] = _PLACE.sub(listed, source[0])
    if "/" not in name:
        source[0] = _OUTSIDE.sub(r"\1", source[0])


def _named(
    app: Any, what: str, name: str, of: Any, options: Any, signature: str, result: str
) -> tuple[str, str]:
    """Name types as the code does, without how Sphinx refers to them."""
    return _ALIAS.sub(r"\1", signature or "") or signature, result


def setup(app: Any) -> dict[str, bool]:
    """Fill in the lists when a page is read, and name types as the code does."""
    app.connect("source-read", _fill_in)
    app.connect("autodoc-process-signature", _named)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
