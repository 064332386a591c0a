"""From a loader's name to a prepared data set, validated on the way: what get-data does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import DataError
from core.progress import report
from core.settings import ValidationThresholds
from loaders.base import OpenableLoader
from loaders.describe import all_train, describe, description_html
from loaders.prepared import write_prepared
from loaders.quarantine import write_quarantine
from loaders.schemas import conforming
from loaders.set_aside import Quarantining
from loaders.validation import Validation, unreadable, validate
from loaders.validation_page import validation_html


@dataclass(frozen=True)
class Outputs:
    """Where everything goes.

    Attributes:
        dataset: Folder of the prepared data set.
        description: Page that describes the data.
        validation: Page of what was checked; written before anything is refused.
        set_aside: CSV of the lines set aside; a header alone where there are none.
    """

    dataset: Path
    description: Path
    validation: Path
    set_aside: Path


def prepare(
    loader: OpenableLoader, outputs: Outputs, *, thresholds: ValidationThresholds, quarantine: bool = False
) -> dict[str, Any]:
    """Read, validate, split and write a data set.

    Args:
        loader: The data, not read yet.
        outputs: Where to write; the folders of the files are made.
        thresholds: What the data must be like at the least.
        quarantine: Set bad lines aside instead of refusing the data at the first; a loader without lines has none.

    Returns:
        The description of the data (``loaders.describe.Description``) and, as "validation", its checks and the lines
        set aside by file.

    Raises:
        DataError: The data cannot be read or split, or are beyond a threshold; the page says so, too.
        ConfigError: A file cannot be written.
    """
    write_quarantine(outputs.set_aside, ())
    if quarantine and isinstance(loader, Quarantining):
        loader.quarantine = outputs.set_aside
    try:
        # Of any loader: those of other packages need not have looked themselves.
        interactions = conforming(loader.load(), loader.provenance().source)
    except DataError as error:
        problems = loader.problems if isinstance(loader, Quarantining) else ()
        _write(outputs.validation, validation_html(unreadable(error, source=error.file or "", problems=problems)))
        raise
    validation = _validation(loader, thresholds)
    try:
        split = loader.split_rows()
    except DataError as error:
        validation = validation.failing("can be split", str(error))
        split = all_train(interactions)
    description = describe(interactions, split)
    _write(outputs.validation, validation_html(validation, description))
    n_set_aside = sum(one.n_set_aside for one in loader.set_aside) if isinstance(loader, Quarantining) else 0
    if n_set_aside:
        report("data", 1, 1, f"{n_set_aside:,} lines set aside in {outputs.set_aside}")
    refusal = validation.refusal()
    if refusal is not None:
        raise DataError(f"{refusal.problem}; all checks are in {outputs.validation}", file=refusal.file)
    _write(outputs.description, description_html(description, loader.provenance()))
    return {**write_prepared(loader, outputs.dataset), "validation": validation.as_dict()}


def _validation(loader: OpenableLoader, thresholds: ValidationThresholds) -> Validation:
    provenance = loader.provenance()
    lines = loader if isinstance(loader, Quarantining) else None
    return validate(
        loader.load(),
        thresholds,
        source=provenance.source,
        layout=provenance.layout,
        set_aside=lines.set_aside if lines else (),
        problems=lines.problems if lines else (),
    )


def _write(path: Path, page: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
