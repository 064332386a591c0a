"""Everything ``screentest data check`` tells of a folder or zip."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import DataError
from evaluation.splits import Split
from loaders.base import SplitRule
from loaders.describe import Description, describe
from loaders.local import inspect, usable
from loaders.movielens import Reading
from loaders.problems import Problem
from loaders.quarantine import write_quarantine


@dataclass(frozen=True, eq=False)
class Checked:
    """What was found.

    Attributes:
        path: The folder or zip.
        layout: How it is laid out; empty if it could not be read.
        problems: What is wrong with it.
        n_quarantined: Lines set aside.
        split: The rule that ``description`` describes.
        description: What the good lines are like; None if the data cannot be used.
        refusal: Why they cannot be used; None if they can.
    """

    path: str
    layout: str
    problems: tuple[Problem, ...]
    n_quarantined: int
    split: SplitRule
    description: Description | None = None
    refusal: DataError | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON; a figure that does not exist is None."""
        figures = None if self.description is None else self.description.as_dict()
        return {
            "ok": self.refusal is None,
            "path": self.path,
            "layout": self.layout,
            "problems": [problem.as_dict() for problem in self.problems],
            "quarantined": self.n_quarantined,
            "split": str(self.split),
            "description": figures and {name: _or_none(figure) for name, figure in figures.items()},
        }


def check(path: str | Path, *, split: SplitRule, quarantine: Path | None = None) -> Checked:
    """Read every line, name what is wrong and describe what is left.

    Args:
        path: A folder or zip.
        split: For the figures on train, test and who is cold.
        quarantine: A CSV to set bad lines aside in; None: data with a bad line cannot be used.

    Raises:
        ConfigError: The quarantine cannot be written.
    """
    try:
        reading = inspect(path, drop=quarantine is not None)
    except DataError as error:
        return Checked(str(path), "", (Problem.of(error),), 0, split, refusal=error)
    n_quarantined = write_quarantine(quarantine, reading.tables) if quarantine is not None else 0
    description, refusal = None, None
    try:
        usable(reading, path, dropped=quarantine is not None)
        description = describe(reading.interactions, _split(reading, split))
    except DataError as error:
        refusal = error
    return Checked(str(path), reading.layout.name, reading.problems, n_quarantined, split, description, refusal)


def _split(reading: Reading, rule: SplitRule) -> Split:
    """Train and test; sound data too small for the rule are all train."""
    try:
        return rule.apply(reading.interactions.ratings)
    except DataError:
        return Split(np.arange(len(reading.interactions)), np.zeros(0, dtype=np.int64))


def _or_none(figure: Any) -> Any:
    if isinstance(figure, dict):
        return {name: _or_none(value) for name, value in figure.items()}
    return None if isinstance(figure, float) and math.isnan(figure) else figure
