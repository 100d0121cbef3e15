"""Sets of choices refuse what they do not know, in one line, and write YAML."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError, model_validator

from argdask import recipe, sed_choices
from argdask.choices import Choices, commented_yaml, wrong_choice
from argdask.errors import InputError
from argdask.sampling import Constant, Distribution, Uniform


class Inner(Choices):
    """Some choices below others."""

    ratio: float = Field(default=1.0, gt=0)
    """A number."""
    mode: Literal["this", "that"] = "this"
    """This or that."""


class Outer(Choices):
    """Some choices."""

    count: int = 3
    """How many."""
    names: tuple[str, ...] | None = None
    """Names, if there are any. A line that is long enough to be broken up, since what
    is read on a terminal should not run over its right edge."""
    size: Annotated[tuple[int, int], Field()] = (1, 2)
    """Two numbers."""
    law: Distribution = Uniform(minimum=0.0, maximum=1.0)
    """A distribution."""
    inner: Inner = Inner()
    """More choices."""

    @model_validator(mode="after")
    def _check(self) -> Outer:
        if self.count == 13:
            raise wrong_choice("count", 13, "another number", "take 12")
        if self.count == 14:
            raise wrong_choice("", "all of it", "something else", "think again")
        return self


def told(**choices: object) -> str:
    with pytest.raises(InputError) as caught:
        Outer(**choices)
    return str(caught.value)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            {"cuont": 1},
            "cuont: got an unknown key, expected a key of the recipe; nearest: count",
        ),
        (
            {"inner": {"mod": 1}},
            "inner.mod: got an unknown key, expected a key of the recipe; "
            "nearest: mode",
        ),
        ({"count": 13}, "count: got 13, expected another number; take 12"),
        (
            {"count": 14},
            "recipe: got all of it, expected something else; think again",
        ),
        ({"count": "x"}, "count: got x, expected a whole number; SEE"),
        ({"count": 1.5}, "count: got 1.5, expected a whole number; SEE"),
        ({"count": True}, "count: got True, expected a number, a name or a list; SEE"),
        ({"names": "abc"}, "names: got abc, expected a list; SEE"),
        ({"size": [1, 2, 3]}, "size: got [1, 2, 3], expected at most 2 of them; SEE"),
        ({"size": [1]}, "size.1: got nothing, expected a value; SEE"),
        ({"inner": 5}, "inner: got 5, expected keys with values; SEE"),
        (
            {"inner": {"mode": "other"}},
            "inner.mode: got other, expected 'this' or 'that'; SEE",
        ),
        ({"inner": {"ratio": 0}}, "inner.ratio: got 0, expected greater than 0; SEE"),
        (
            {"inner": {"ratio": float("nan")}},
            "inner.ratio: got nan, expected a finite number; SEE",
        ),
        (
            {"law": {"distribution": "beta", "alpha": 1, "beta": 0}},
            "law.beta: got 0, expected greater than 0; SEE",
        ),
        (
            {"law": {"distribution": "normal", "mean": 0}},
            "law.sigma: got nothing, expected a value; SEE",
        ),
    ],
)
def test_a_wrong_choice_is_told_in_one_line(choices, message):
    see = "see `argdask recipe` for every choice"
    assert told(**choices) == message.replace("SEE", see)


def test_only_one_of_several_wrong_choices_is_told():
    assert told(count="x", names=3).startswith("count: got x")


def test_choices_cannot_change():
    choices = Outer()
    with pytest.raises(ValidationError, match="frozen"):
        choices.count = 4
    with pytest.raises(ValidationError, match="frozen"):
        choices.inner.ratio = 2.0


def test_yaml_has_a_comment_above_every_choice_and_no_long_line():
    lines = list(commented_yaml(Outer()))
    keys = [line for line in lines if not line.lstrip().startswith("#")]
    assert [line.split(":")[0] for line in keys] == [
        "count",
        "names",
        "size",
        "law",
        "inner",
        "  ratio",
        "  mode",
    ]
    for key in keys:
        above = lines[lines.index(key) - 1]
        indent = len(key) - len(key.lstrip())
        assert above.startswith(" " * indent + "# ")
    assert max(len(line) for line in lines) <= 88
    assert "  # A number." in lines


any_name = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)


@given(
    st.lists(any_name, min_size=1, max_size=5),
    st.integers().filter(lambda count: count not in (13, 14)),
    st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=100),
    st.floats(1e-300, 1e300),
)
def test_yaml_reads_back_to_equal_choices(names, count, values, ratio):
    law = {"distribution": "choice", "values": values}
    choices = Outer(count=count, names=names, law=law, inner={"ratio": ratio})
    assert Outer(**yaml.safe_load("\n".join(commented_yaml(choices)))) == choices


def test_an_input_error_without_a_place_is_about_the_recipe():
    class Odd(Choices):
        @model_validator(mode="after")
        def _check(self) -> Odd:
            raise ValueError("odd")

    with pytest.raises(InputError) as caught:
        Odd()
    assert caught.value.field == "recipe"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Inner(ratio=0), "ratio: got 0, expected greater than 0"),
        (lambda: Inner(ratios=1), "ratios: got an unknown key, expected a key of"),
        (lambda: Constant(value="x"), "value: got x, expected a number"),
        (
            lambda: recipe.SersicProfile(sersic_index=9),
            "sersic_index: got 9, expected values within 0.3 to 8",
        ),
        (
            lambda: sed_choices.RedshiftGrid(first=2, last=1, number=3),
            "first: got 2.0, expected less than last, 1",
        ),
    ],
)
def test_a_set_made_alone_is_told_in_one_line(make, message):
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
