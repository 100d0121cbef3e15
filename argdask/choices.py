"""Sets of choices: frozen, checked, wrong ones told in one line, written as YAML."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from argdask.errors import InputError, nearest
from argdask.yaml_files import list_of_texts

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)  # its name is not public

__all__ = ["Choices", "commented_yaml", "input_error", "wrong_choice"]


# What pydantic says of Python's types, in the words of YAML.
_EXPECTED = {
    "missing": "a value",
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "tuple_type": "a list",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
}


# Stands at a section that is left out, above an example of it: YAML reads a null.
_LEFT_OUT = " # left out; to use it, take the first # off the lines below"


class _OneLine(ModelMetaclass):
    """Tells what is wrong in one line, to whoever makes a set of choices.

    Not by an `__init__`: pydantic would call that for the sets inside of others as
    well, which would hide from the outermost where in it the mistake is.
    """

    CALLED: tuple[str, str]

    def __call__(self, *arguments: Any, **choices: Any) -> Any:
        try:
            return super().__call__(*arguments, **choices)
        except ValidationError as error:
            raise input_error(error.errors(), *self.CALLED) from None


class Choices(BaseModel, metaclass=_OneLine):
    """A set of choices that cannot change and that knows its own names.

    Truth values are refused where nothing is switched on or off: a 1 that was meant as
    yes would pass for a number.

    Raises
    ------
    InputError
        If a key is unknown or a value is not what the key expects.
    """

    CALLED: ClassVar[tuple[str, str]] = "recipe", "argdask recipe"
    """What the choices are of, and the command that shows every one."""

    MEANT: ClassVar[tuple[str, tuple[type, ...]]] = ("", ())
    """The key that is meant by one bare value, and the types of such values."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        validate_default=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, data: Any) -> Any:
        key, kinds = cls.MEANT
        if isinstance(data, kinds) and not isinstance(data, bool):
            meant = f"write {{{key}: {data}}}"
            raise wrong_choice("", data, "keys with values", meant)
        if isinstance(data, dict):
            for name in data:
                if name not in cls.model_fields:
                    raise PydanticCustomError(
                        "unknown_key",
                        "unknown key {key}",
                        {
                            "key": str(name),
                            "near": nearest(str(name), cls.model_fields),
                        },
                    )
                switch = cls.model_fields[name].annotation is bool
                if isinstance(data[name], bool) and not switch:
                    expected = "a number, a name or a list"
                    see = f"see `{cls.CALLED[1]}` for every choice"
                    raise wrong_choice(name, data[name], expected, see)
        return data


def wrong_choice(
    field: str, value: object, expected: str, cure: str
) -> PydanticCustomError:
    """Return what a validator raises so that the reader sees one line.

    Parameters
    ----------
    field
        The key, below the object that is being checked; nothing for the object.
    value, expected, cure
        As for `argdask.errors.InputError`.

    Returns
    -------
    PydanticCustomError
        The exception to raise.
    """
    context = {"field": field, "value": value, "expected": expected, "cure": cure}
    return PydanticCustomError("wrong_choice", "expected {expected}", context)


def input_error(
    errors: list[ErrorDetails], kind: str = "recipe", command: str = "argdask recipe"
) -> InputError:
    """Turn pydantic's account of wrong values into one line about one of them.

    Parameters
    ----------
    errors
        What was wrong.
    kind
        What the choices are of.
    command
        The command that shows every choice.

    Returns
    -------
    InputError
        The exception to raise.
    """
    # Of the members of a union, the one that got furthest says most.
    shapes = {"model_type", "model_attributes_type", "dict_type", "literal_error"}
    details = next((one for one in errors if one["type"] not in shapes), errors[0])
    field = ".".join(_keys(details["loc"]))
    context = details.get("ctx", {})
    see = f"see `{command}` for every choice"
    if details["type"] == "unknown_key":
        field = ".".join(filter(None, [field, context["key"]]))
        cure = f"nearest: {context['near']}"
        wrong = "an unknown key"
        return InputError(field or kind, wrong, f"a key of the {kind}", cure)
    if details["type"] == "wrong_choice":
        field = ".".join(filter(None, [field, context["field"]]))
        told = context["value"], context["expected"], context["cure"]
        return InputError(field or kind, *told)
    if context.get("discriminator") == "'distribution'" and "tag" in context:
        laws = context["expected_tags"].replace("'", "")
        cure = f"nearest: {nearest(context['tag'], laws.split(', '), 1)}"
        told = context["tag"], f"one of {laws}", cure
        return InputError(f"{field}.distribution", *told)
    if details["type"].startswith("union_tag") or details["type"] in shapes - {
        "literal_error"
    }:
        laws = "a number or a distribution (constant, uniform, normal, ...)"
        of_keys = details["type"] in ("dict_type", "model_type")
        expected = laws if field.count(".") and not of_keys else "keys with values"
        return InputError(field, details["input"], expected, see)
    expected = details["msg"].removeprefix("Input should be ")
    if details["type"] in _EXPECTED:
        expected = _EXPECTED[details["type"]].format(**context)
    value = "nothing" if details["type"] == "missing" else details["input"]
    if details["type"] == "tuple_type" and isinstance(value, str):
        see = f"write {list_of_texts(value.replace(',', ' ').split())}"
    return InputError(field or kind, value, expected, see)


def _keys(location: tuple[int | str, ...]) -> Iterator[str]:
    """Leave out what pydantic adds to a location: the members of unions."""
    members = {"constant", "uniform", "normal", "lognormal", "beta", "choice", "int"}
    members |= {"float", "str", "Scale", "sersic", "components", "images"}
    names = [str(step) for step in location]
    for before, name in zip(["", *names], names, strict=False):
        # A second beta is the key of that name, in the distribution of that name; what
        # stands after a tag in brackets is a key.
        is_member = name in members and name != before and before[:1] != "["
        if not is_member and "[" not in name and not name.startswith("constrained-"):
            yield name


def commented_yaml(
    choices: Choices, indent: str = "", examples: Mapping[str, Any] | None = None
) -> Iterator[str]:
    """Write choices as YAML, with a comment above each of them.

    Parameters
    ----------
    choices
        The choices.
    indent
        What stands before every line.
    examples
        Choices by the keys of sections, to be shown as comments below those that are
        left out; sections within sections likewise.

    Yields
    ------
    str
        One line after the other.
    """
    for name, field in type(choices).model_fields.items():
        value = getattr(choices, name)
        example = (examples or {}).get(name)
        comment = " ".join((field.description or "").split())
        if comment:
            yield from textwrap.wrap(
                comment,
                width=88,
                initial_indent=f"{indent}# ",
                subsequent_indent=f"{indent}# ",
            )
        if (
            isinstance(value, Choices)
            and "distribution" not in type(value).model_fields
        ):
            yield f"{indent}{name}:"
            yield from commented_yaml(value, indent + "  ", example)
        elif _named_choices(value):
            yield f"{indent}{name}:"
            for key, one in value.items():
                yield f"{indent}  {key}:"
                yield from commented_yaml(one, indent + "    ")
        elif value is None and isinstance(example, Mapping):
            section: Any = field.annotation
            one = TypeAdapter(section).validate_python(example)
            yield f"{indent}{name}: {_LEFT_OUT}"
            yield from commented_yaml(one, f"{indent}  # ")
        else:
            yield f"{indent}{name}: {_flow(value)}"


def _named_choices(value: Any) -> bool:
    """Whether a value holds sets of choices by names of the user's."""
    return isinstance(value, dict) and any(
        isinstance(one, Choices) for one in value.values()
    )


def _flow(value: Any) -> str:
    if isinstance(value, Choices):
        value = json.loads(value.model_dump_json(exclude_none=True))
        if value.get("distribution") == "constant":
            value = value["value"]
    if isinstance(value, tuple):
        value = [
            json.loads(one.model_dump_json(exclude_defaults=True))
            if isinstance(one, Choices)
            else one
            for one in value
        ]
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**9)
    return text.removesuffix("...\n").strip()
