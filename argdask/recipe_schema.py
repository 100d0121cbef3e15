"""The JSON schema of a set of choices, for editors that complete and check YAML."""

from __future__ import annotations

from typing import Any

from argdask.choices import Choices

__all__ = ["schema_of"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

# What says which of several sets of choices is meant; the recipe cannot do without it,
# though each of them knows its own.
_TAG = "distribution"

# Keys of a schema under which names of the user's stand, not words of JSON schema.
_NAMED = ("properties", "$defs")


def schema_of(choices: type[Choices], title: str) -> dict[str, Any]:
    """Describe a set of choices as YAML or JSON may hold it.

    Parameters
    ----------
    choices
        The set.
    title
        What an editor shows as its name.

    Returns
    -------
    dict
        A JSON schema (draft 2020-12) with a description and, where there is one, a
        default for every key; unknown keys are refused.

    Notes
    -----
    What concerns several keys at once (a minimum below its maximum, a range of one
    profile's parameter) is beyond a schema; the recipe itself checks it.
    """
    raw = choices.model_json_schema(mode="validation")
    cleaned = {**_cleaned(raw), "title": title}
    for name, definition in cleaned.get("$defs", {}).items():
        definition["title"] = name
    return {"$schema": _DIALECT, **cleaned}


def _cleaned(schema: Any) -> Any:
    """Leave out what tells an editor nothing, all the way down."""
    if isinstance(schema, list):
        return [_cleaned(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    # Titles repeat the names of keys; the discriminator is a word of OpenAPI.
    kept = {k: v for k, v in schema.items() if k not in ("title", "discriminator")}
    cleaned = {
        key: {name: _cleaned(below) for name, below in value.items()}
        if key in _NAMED
        else value
        if key == "default"
        else _cleaned(value)
        for key, value in kept.items()
    }
    if "description" in cleaned:
        # The lines of the source are not those of the editor.
        cleaned["description"] = " ".join(str(cleaned["description"]).split())
    if _TAG in cleaned.get("properties", {}):
        others = cleaned.get("required", [])
        cleaned["required"] = [_TAG, *(name for name in others if name != _TAG)]
    return _with_plain_list(cleaned)


def _with_plain_list(schema: dict[str, Any]) -> dict[str, Any]:
    """Say of a list whose members are alike that they are, as all editors know it."""
    members = schema.get("prefixItems")
    if not members or any(one != members[0] for one in members):
        return schema
    plain = {key: value for key, value in schema.items() if key != "prefixItems"}
    return {**plain, "items": members[0]}
