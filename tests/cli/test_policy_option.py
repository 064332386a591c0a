"""Policies as they are written on the command line: what is read, and what is refused in one line."""

from __future__ import annotations

import numpy as np
import pytest

from cli.policy_option import AskedPolicy, parse_policy
from core.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("always=b", AskedPolicy("always=b", "always", action="b")),
        ("bold:always=x:y=z", AskedPolicy("bold", "always", action="x:y=z")),
        ("uniform", AskedPolicy("uniform", "uniform")),
        ("even:uniform", AskedPolicy("even", "uniform")),
        ("columns=p,q", AskedPolicy("columns=p,q", "columns", columns=("p", "q"))),
        ("n:columns=a:p,b:q", AskedPolicy("n", "columns", columns=("p", "q"), actions=("a", "b"))),
    ],
)
def test_what_is_written_is_read(text: str, expected: AskedPolicy) -> None:
    assert parse_policy(text) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "must be"),
        ("always=", "must be"),
        ("sometimes=b", "must be"),
        ("uniform=b", "must be"),
        ("columns=a:p,q", "of every column or of none"),
        ("columns=p,", "of every column or of none"),
        ("columns=p,p", "names an action or a column twice"),
        ("columns=a:p,a:q", "names an action or a column twice"),
        ("logging:always=b", "choose another name"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse_policy(text)


def test_on_a_log() -> None:
    actions, rows = ("a", "b", "c"), {"p": np.array([0.2, 1.0]), "q": np.array([0.8, 0.0])}
    action = np.array([1, 2])
    assert parse_policy("always=b").on(actions, 2, {}).of(action).tolist() == [1, 0]
    assert parse_policy("uniform").on(actions, 2, {}).of(action) == pytest.approx([1 / 3, 1 / 3])
    # An action that is not named is never taken.
    assert parse_policy("columns=c:p,b:q").on(actions, 2, rows).of(action).tolist() == [0.8, 1.0]


@pytest.mark.parametrize("values", [[0.2, 0.7], [-0.1, 1.0], [np.nan, 1.0]])
def test_no_distribution_is_told_with_its_first_row(values: list[float]) -> None:
    rows = {"p": np.array([0.2, values[0]]), "q": np.array([0.8, values[1]])}
    with pytest.raises(DataError, match="1 of 2 rows of policy 'n' are no distribution, the first of them"):
        parse_policy("n:columns=p,q").on(("a", "b"), 2, rows)


def test_too_few_columns_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"has 1 columns, must have one for each of the log's 2 actions \(a, b\)"):
        parse_policy("columns=p").on(("a", "b"), 1, {"p": np.ones(1)})
