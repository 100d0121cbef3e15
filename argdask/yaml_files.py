"""YAML as users write it: safe, each key once, wrong files told in one line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from argdask.errors import InputError

__all__ = [
    "YAML_ERRORS",
    "RepeatedKeyError",
    "list_of_texts",
    "parse_yaml",
    "read_yaml",
    "whole_number",
]

# Besides its own, yaml lets through Python's errors about dates, digits and nesting.
YAML_ERRORS = (yaml.YAMLError, ValueError, RecursionError)


_DIGITS = 25


class RepeatedKeyError(yaml.YAMLError):
    """A key that stands twice."""


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML itself keeps the last."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        found: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in found.value:
            if isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                if key.value in lines:
                    places = f"lines {lines[key.value]} and {line}"
                    raise RepeatedKeyError(f"{key.value} twice ({places})")
                lines[key.value] = line
        return found


def parse_yaml(text: str) -> Any:
    """Return what YAML says.

    Parameters
    ----------
    text
        The YAML.

    Returns
    -------
    Any
        Numbers, texts, lists and mappings; nothing else can be made by it.

    Raises
    ------
    RepeatedKeyError
        If a key stands twice; anything else that is wrong is one of `YAML_ERRORS`.
    """
    return yaml.load(text, Loader=_Loader)


def list_of_texts(texts: Iterable[str]) -> str:
    """Write texts as a YAML list in one line, for within double quotes of a shell.

    Parameters
    ----------
    texts
        The texts.

    Returns
    -------
    str
        As ``[ra,dec]``, with single quotes where YAML would read something else.
    """
    return f"[{','.join(map(_quoted, texts))}]"


def _quoted(text: str) -> str:
    with contextlib.suppress(*YAML_ERRORS):
        if parse_yaml(f"[{text}]") == [text]:
            return text
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def read_yaml(
    path: str | Path, field: str = "recipe", command: str = "argdask recipe"
) -> dict[str, Any]:
    """Read a YAML file that holds a mapping, without running anything in it.

    Parameters
    ----------
    path
        The file.
    field
        What to call it in a message.
    command
        The command that prints an example.

    Returns
    -------
    dict
        What it holds.

    Raises
    ------
    InputError
        If the file cannot be read, holds something else or one key twice.
    """
    example = f"see `{command}` for an example"
    try:
        text = Path(path).read_text(encoding="utf-8")
        data = parse_yaml(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise InputError(
            field, str(path), f"a readable YAML file ({reason})", "check the path"
        ) from None
    except RepeatedKeyError as error:
        found = f"{path} with {error}"
        raise InputError(field, found, "each key once", "drop one of them") from None
    except YAML_ERRORS as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        if "'\\t'" in str(getattr(error, "problem", "")):
            found = f"{path}{where} with a tab"
            cure = "use blanks, since YAML knows no tabs"
            raise InputError(field, found, "valid YAML", cure) from None
        raise InputError(field, str(path), f"valid YAML{where}", example) from None
    if data is None and text.strip():
        return {}  # comments alone: every key is left out
    if not isinstance(data, dict):
        raise InputError(field, str(path), "keys with values", example)
    for key in data:
        if not isinstance(key, str):
            found = f"{path} with the key {key}"
            raise InputError(field, found, "keys that are names", example)
    return data


def whole_number(data: Any) -> Any:
    """Read a whole number as people write it, 1e6 for instance.

    Parameters
    ----------
    data
        Text, or anything else.

    Returns
    -------
    Any
        The number, if that is what the text says; all else as it is.
    """
    if not isinstance(data, str):
        return data
    try:
        number = Decimal(data)
    except InvalidOperation:
        return data
    # No number of anything has more digits; 1e999999999 would fill the memory.
    if not number.is_finite() or abs(number.adjusted()) > _DIGITS:
        return data
    return int(number) if number == number.to_integral_value() else data
