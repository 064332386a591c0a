"""A policy as it is written on the command line: ``always=b``, ``uniform``, ``columns=p_a,p_b``, also ``NAME:`` it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.errors import ConfigError, DataError
from experiments.off_policy.evaluation_policy import EvaluationPolicy
from experiments.off_policy.logged_bandit import ROUNDING, Floats

LOGGING = "logging"
_WRITTEN = re.compile(
    r"(?:(?P<name>[^:=]+):)?(?:(?P<uniform>uniform)|(?P<kind>always|columns)=(?P<rest>.+))", re.DOTALL
)
_EXPECTED = "[NAME:]always=ACTION, [NAME:]uniform, [NAME:]columns=COLUMN,… or [NAME:]columns=ACTION:COLUMN,…"


@dataclass(frozen=True)
class AskedPolicy:
    """A policy that is to be judged, before the log is known.

    Attributes:
        name: What it is called: the given name, or all that was written.
        kind: Which of the three it is.
        action: Of ``always``: the action it always takes.
        columns: Of ``columns``: where its probabilities stand.
        actions: Of ``columns``: the action of each column; empty: all actions of the log, sorted by name.
    """

    name: str
    kind: Literal["always", "uniform", "columns"]
    action: str = ""
    columns: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()

    def on(self, actions: Sequence[str], n: int, probabilities: Mapping[str, Floats]) -> EvaluationPolicy:
        """The policy on a log.

        Args:
            actions: The log's actions, sorted.
            n: Rows of the log.
            probabilities: (n,) per column; those of this policy must be there.

        Raises:
            ConfigError: It names an action that the log does not know, or has too few or too many columns.
            DataError: Its probabilities do not add up to 1 in every row.
        """
        if self.kind == "always":
            return EvaluationPolicy(len(actions), None, np.full(n, self._place(self.action, actions)))
        if self.kind == "uniform":
            even = np.full((1, len(actions)), 1 / len(actions))
            return EvaluationPolicy(len(actions), np.broadcast_to(even, (n, len(actions))), None)
        named = self.actions or tuple(actions)
        if len(named) != len(self.columns):
            raise ConfigError(
                f"policy {self.name!r} has {len(self.columns)} columns, must have one for each of the log's "
                f"{len(actions)} actions ({', '.join(actions)}), or name them: ACTION:COLUMN,…"
            )
        table = np.zeros((n, len(actions)))
        for action, column in zip(named, self.columns, strict=True):
            table[:, self._place(action, actions)] = probabilities[column]
        wrong = np.flatnonzero(~(np.abs(table.sum(axis=1) - 1) <= ROUNDING) | ~(table.min(axis=1) >= 0))
        if len(wrong):
            first = ", ".join(f"{value:g}" for value in table[wrong[0]])
            raise DataError(
                f"{len(wrong)} of {n} rows of policy {self.name!r} are no distribution, the first of them "
                f"({first}); they must be >= 0 and add up to 1"
            )
        return EvaluationPolicy(len(actions), table, None)

    def _place(self, action: str, actions: Sequence[str]) -> int:
        if action not in actions:
            raise ConfigError(f"policy {self.name!r}: unknown action {action!r}; the log has {', '.join(actions)}")
        return actions.index(action)


def parse_policy(text: str) -> AskedPolicy:
    """Read a policy.

    >>> parse_policy("bold:always=b")
    AskedPolicy(name='bold', kind='always', action='b', columns=(), actions=())
    >>> parse_policy("columns=a:p_a,b:p_b").actions
    ('a', 'b')

    Raises:
        ConfigError: It is written in no known way, or names an action or a column twice.
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise ConfigError(f"policy == {text!r}, must be {_EXPECTED}")
    name = found["name"] or text
    if name == LOGGING:
        raise ConfigError(f"policy == {text!r}; {LOGGING!r} is the policy that made the log, choose another name")
    if found["uniform"]:
        return AskedPolicy(name, "uniform")
    if found["kind"] == "always":
        return AskedPolicy(name, "always", action=found["rest"])
    parts = [part.rpartition(":") for part in found["rest"].split(",")]
    actions, columns = tuple(part[0] for part in parts if part[1]), tuple(part[2] for part in parts)
    if (actions and len(actions) != len(columns)) or not all(columns):
        raise ConfigError(f"policy == {text!r}; name the action of every column or of none, e.g. columns=a:p_a,b:p_b")
    if len(set(columns)) < len(columns) or len(set(actions)) < len(actions):
        raise ConfigError(f"policy == {text!r} names an action or a column twice")
    return AskedPolicy(name, "columns", columns=columns, actions=actions)
