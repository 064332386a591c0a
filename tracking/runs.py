"""Runs: started, written to in batches, marked FAILED when they fail, found and read again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import TrackingError
from tracking.client import Tracker, mlflow_errors
from tracking.provenance import run_tags

PER_USER = "evaluation/per_user.npz"
#: Tag under which the runs of one pipeline run find each other.
PIPELINE_RUN = "screentest.pipeline_run"

# MLflow's limits of one log_batch call.
_METRICS_PER_BATCH = 1000
_PARAMS_PER_BATCH = 100


@dataclass(frozen=True)
class OpenRun:
    """The run that a with-block of :func:`new_run` or :func:`resumed_run` is inside of.

    Attributes:
        tracker: Where it is.
        run_id: MLflow's id.
        trained: Name of a model to how many of its trainings were told to the run.
    """

    tracker: Tracker
    run_id: str
    trained: Counter[str]


_open_run: ContextVar[OpenRun | None] = ContextVar("open_run", default=None)


def current_run() -> OpenRun | None:
    """The innermost run that is open here; None outside of any."""
    return _open_run.get()


@dataclass(frozen=True)
class RunRecord:
    """What MLflow knows of a run.

    Attributes:
        run_id: MLflow's id.
        experiment_id: The experiment it belongs to.
        name: Display name.
        status: RUNNING, FINISHED, FAILED or KILLED.
        params: Parameters, as text.
        metrics: Latest value of each metric.
        tags: Tags, MLflow's own included.
    """

    run_id: str
    experiment_id: str
    name: str
    status: str
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]


@contextmanager
def new_run(
    tracker: Tracker, name: str, *, params: Mapping[str, Any] | None = None, tags: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A run for the length of a with-block: FINISHED at its end, FAILED after an error, KILLED after Ctrl-C.

    Args:
        tracker: Where to.
        name: Display name, e.g. the model's.
        params: Parameters; values are kept as text.
        tags: Further tags; the code's version is tagged by itself.

    Yields:
        The run's id.

    Raises:
        TrackingError: MLflow refused. An error of the block itself is raised as it is.
    """
    with mlflow_errors(tracker.uri):
        run = tracker.client.create_run(tracker.experiment_id, run_name=name, tags={**run_tags(), **(tags or {})})
    run_id = str(run.info.run_id)
    with _terminated(tracker, run_id):
        log_params(tracker, run_id, params or {})
        yield run_id


@contextmanager
def resumed_run(tracker: Tracker, run_id: str) -> Iterator[str]:
    """Add to an existing run: RUNNING for the length of a with-block, then as ``new_run``.

    Raises:
        TrackingError: MLflow refused, or there is no such run.
    """
    with mlflow_errors(tracker.uri):
        tracker.client.update_run(run_id, status="RUNNING")
    with _terminated(tracker, run_id):
        yield run_id


@contextmanager
def _terminated(tracker: Tracker, run_id: str) -> Iterator[None]:
    status = "FAILED"
    token = _open_run.set(OpenRun(tracker, run_id, Counter()))
    try:
        yield
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        _open_run.reset(token)
        # Where the block failed, its own error is what the user must see, not that MLflow is gone as well.
        with suppress(TrackingError) if status != "FINISHED" else nullcontext(), mlflow_errors(tracker.uri):
            tracker.client.set_terminated(run_id, status=status)


def log_params(tracker: Tracker, run_id: str, params: Mapping[str, Any]) -> None:
    """Record parameters; one that is recorded already cannot change.

    Raises:
        TrackingError: MLflow refused, for instance because a parameter has another value already.
    """
    from mlflow.entities import Param

    rows = [Param(key, str(value)) for key, value in params.items()]
    with mlflow_errors(tracker.uri):
        for start in range(0, len(rows), _PARAMS_PER_BATCH):
            tracker.client.log_batch(run_id, params=rows[start : start + _PARAMS_PER_BATCH])


def log_metrics(tracker: Tracker, run_id: str, metrics: Mapping[str, float], *, step: int = 0) -> None:
    """Record metrics in one call.

    Args:
        tracker: Where to.
        run_id: The run.
        metrics: Name to value, NaN allowed. MLflow allows letters, digits and ``_ - . / :`` in a name, no ``@``.
        step: Position on the metric's axis, e.g. the number of a look.

    Raises:
        TrackingError: MLflow refused.
    """
    log_metric_history(tracker, run_id, [(step, metrics)])


def log_metric_history(tracker: Tracker, run_id: str, rows: Sequence[tuple[int, Mapping[str, float]]]) -> None:
    """Record metrics of many steps, as few calls as MLflow allows (1,000 values each).

    Args:
        tracker: Where to.
        run_id: The run.
        rows: (step, metrics) pairs.

    Raises:
        TrackingError: MLflow refused.
    """
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    values = [Metric(key, float(value), now, step) for step, metrics in rows for key, value in metrics.items()]
    with mlflow_errors(tracker.uri):
        for start in range(0, len(values), _METRICS_PER_BATCH):
            tracker.client.log_batch(run_id, metrics=values[start : start + _METRICS_PER_BATCH])


def logged_steps(tracker: Tracker, run_id: str, metric: str) -> set[int]:
    """Steps that a run has values of a metric for; empty where it has none.

    Raises:
        TrackingError: There is no such run, or MLflow refused.
    """
    with mlflow_errors(tracker.uri):
        return {int(point.step) for point in tracker.client.get_metric_history(run_id, metric)}


def set_tags(tracker: Tracker, run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags; one that exists changes.

    Raises:
        TrackingError: MLflow refused.
    """
    from mlflow.entities import RunTag

    rows = [RunTag(key, value) for key, value in tags.items()]
    with mlflow_errors(tracker.uri):
        for start in range(0, len(rows), _PARAMS_PER_BATCH):
            tracker.client.log_batch(run_id, tags=rows[start : start + _PARAMS_PER_BATCH])


def log_text(tracker: Tracker, run_id: str, text: str, path: str) -> None:
    """Keep a text (HTML, SVG, JSON …) as the run's artifact at ``path``, e.g. ``evaluation/report.html``.

    Raises:
        TrackingError: MLflow refused.
    """
    with mlflow_errors(tracker.uri):
        tracker.client.log_text(run_id, text, path)


def log_files(tracker: Tracker, run_id: str, source: Path, path: str = "") -> None:
    """Keep a file, or what a folder holds, under the run's artifact folder ``path`` (empty: the root).

    Raises:
        TrackingError: MLflow refused.
    """
    with mlflow_errors(tracker.uri):
        if source.is_dir():
            tracker.client.log_artifacts(run_id, str(source), path or None)
        else:
            tracker.client.log_artifact(run_id, str(source), path or None)


def log_arrays(tracker: Tracker, run_id: str, arrays: Mapping[str, npt.NDArray[Any]], path: str = PER_USER) -> None:
    """Keep named arrays as one compressed npz.

    Raises:
        ValueError: An array is of Python objects: that would be a pickle.
        TrackingError: MLflow refused.
    """
    objects = [name for name, array in arrays.items() if array.dtype.hasobject]
    if objects:
        raise ValueError(f"arrays {objects} hold Python objects, must be numbers or text")
    with TemporaryDirectory() as scratch:
        target = Path(scratch) / Path(path).name
        np.savez_compressed(target, allow_pickle=False, **arrays)
        log_files(tracker, run_id, target, str(Path(path).parent) if "/" in path else "")


def read_arrays(tracker: Tracker, run_id: str, path: str = PER_USER) -> dict[str, npt.NDArray[Any]]:
    """Arrays that ``log_arrays`` kept.

    Raises:
        TrackingError: There is no such run or artifact, or MLflow refused.
    """
    with TemporaryDirectory() as scratch:
        found = _download(tracker, run_id, path, Path(scratch))
        with np.load(found, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}


def read_text(tracker: Tracker, run_id: str, path: str) -> str:
    """Text that ``log_text`` kept.

    Raises:
        TrackingError: There is no such run or artifact, or MLflow refused.
    """
    with TemporaryDirectory() as scratch:
        return _download(tracker, run_id, path, Path(scratch)).read_text(encoding="utf-8")


def _download(tracker: Tracker, run_id: str, path: str, into: Path) -> Path:
    try:
        with mlflow_errors(tracker.uri):
            return Path(tracker.client.download_artifacts(run_id, path, str(into)))
    except (OSError, TrackingError) as error:
        raise TrackingError(f"artifact {path!r} of run {run_id} cannot be read: {error}") from error


def read_run(tracker: Tracker, run_id: str) -> RunRecord:
    """A run by its id.

    Raises:
        TrackingError: There is no such run, or MLflow refused.
    """
    with mlflow_errors(tracker.uri):
        return _record(tracker.client.get_run(run_id))


def find_runs(tracker: Tracker, tags: Mapping[str, str], *, status: str | None = None) -> list[RunRecord]:
    """The experiment's runs that carry all the given tags, newest first.

    Args:
        tracker: Where to look.
        tags: E.g. ``{PIPELINE_RUN: "2026-01-31-…"}``; empty: all runs.
        status: Only runs with this status, e.g. "FINISHED".

    Raises:
        ValueError: A tag holds a quote, which MLflow's search language cannot express.
        TrackingError: MLflow refused.
    """
    for text in (*tags, *tags.values()):
        if "'" in text or '"' in text:
            raise ValueError(f"tag {text!r} holds a quote; MLflow cannot search for it")
    conditions = [f"tags.\"{key}\" = '{value}'" for key, value in tags.items()]
    if status is not None:
        conditions.append(f"attributes.status = '{status}'")
    found: list[RunRecord] = []
    token: str | None = None
    with mlflow_errors(tracker.uri):
        while True:
            page = tracker.client.search_runs(
                [tracker.experiment_id],
                " and ".join(conditions),
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            found += [_record(run) for run in page]
            token = page.token
            if not token:
                return found


def _record(run: Any) -> RunRecord:
    return RunRecord(
        run_id=run.info.run_id,
        experiment_id=run.info.experiment_id,
        name=run.info.run_name or "",
        status=run.info.status,
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
        tags=dict(run.data.tags),
    )
