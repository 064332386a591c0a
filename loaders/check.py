"""Everything ``screentest data check`` tells of a folder or zip."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import DataError
from core.settings import ValidationThresholds
from loaders.base import SplitRule
from loaders.choice import kind_of
from loaders.columns import ColumnMap
from loaders.describe import Description, all_train, describe
from loaders.local import inspect, usable
from loaders.problems import Problem
from loaders.quarantine import write_quarantine
from loaders.set_aside import count_set_aside
from loaders.tabular import inspect_tables
from loaders.validation import Validation, unreadable, validate


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
        validation: Each check with its figure and limit.
    """

    path: str
    layout: str
    problems: tuple[Problem, ...]
    n_quarantined: int
    split: SplitRule
    validation: Validation
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
            "validation": self.validation.as_dict(),
            "description": figures and {name: _or_none(figure) for name, figure in figures.items()},
        }


def check(
    path: str | Path,
    *,
    split: SplitRule,
    quarantine: Path | None = None,
    thresholds: ValidationThresholds | None = None,
    columns: Mapping[str, str] | None = None,
) -> Checked:
    """Read every line, name what is wrong and describe what is left.

    Args:
        path: A file, folder or zip.
        split: For the figures on train, test and who is cold; sound data too small for it are all train.
        quarantine: A CSV to set bad lines aside in; None: data with a bad line cannot be used.
        thresholds: What the data must be like at the least; None: the defaults.
        columns: Our names to the file's, for tables whose columns have other names.

    Raises:
        ConfigError: The quarantine cannot be written, or the columns are not allowed.
    """
    named, drop = ColumnMap(columns), quarantine is not None
    try:
        is_table = kind_of(Path(path), columns) == "table"
        reading = inspect_tables(path, named, drop=drop) if is_table else inspect(path, drop=drop)
    except DataError as error:
        problem = Problem.of(error)
        validation = unreadable(error, source=str(path), problems=(problem,))
        return Checked(str(path), "", (problem,), 0, split, validation, refusal=error)
    n_quarantined = write_quarantine(quarantine, reading.tables) if quarantine is not None else 0
    try:
        usable(reading, path, dropped=quarantine is not None)
    except DataError as error:
        validation = unreadable(error, source=str(path), problems=reading.problems)
        return Checked(str(path), reading.layout, reading.problems, n_quarantined, split, validation, refusal=error)
    interactions = reading.interactions
    validation = validate(
        interactions,
        thresholds or ValidationThresholds(),
        source=str(path),
        layout=reading.layout,
        set_aside=count_set_aside(reading.tables) if quarantine is not None else (),
        problems=reading.problems,
    )
    try:
        divided = split.apply(interactions.ratings)
    except DataError:
        divided = all_train(interactions)
    return Checked(
        str(path),
        reading.layout,
        reading.problems,
        n_quarantined,
        split,
        validation,
        describe(interactions, divided),
        validation.refusal(),
    )


def _or_none(figure: Any) -> Any:
    if isinstance(figure, dict):
        return {name: _or_none(value) for name, value in figure.items()}
    return None if isinstance(figure, float) and math.isnan(figure) else figure
