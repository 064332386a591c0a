"""A network's training told to MLflow: hyperparameters, every epoch's metrics and the checkpoint kept.

Imports torch and Lightning: only ``wrappers.lightning_loop`` imports it, when something is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import MLFlowLogger

from tracking.client import mlflow_errors
from tracking.runs import OpenRun, current_run


def run_logger(name: str) -> MLFlowLogger | None:
    """What a Lightning trainer logs with inside a run; None where no run is open.

    Metrics and parameters get the prefix ``<name>.``, in the second training of the same model in one run
    ``<name>-2.``, and so on: a run may train a model more than once, in folds for instance. The checkpoint goes to the
    run's artifacts, to a folder named as its file; it is read with ``torch.load(…, weights_only=True)``.

    Args:
        name: The model's.
    """
    run = current_run()
    if run is None:
        return None
    run.trained[name] += 1
    number = run.trained[name]
    return RunLogger(run, name if number == 1 else f"{name}-{number}")


class RunLogger(MLFlowLogger):
    """Lightning's own logger for a run that others began and will end."""

    LOGGER_JOIN_CHAR = "."

    def __init__(self, run: OpenRun, prefix: str) -> None:
        self._uri = run.tracker.uri
        super().__init__(tracking_uri=self._uri, run_id=run.run_id, prefix=prefix, log_model=True)

    def log_hyperparams(self, params: Mapping[str, Any], *args: Any, **kwargs: Any) -> None:
        """Parameters, with the prefix."""
        with mlflow_errors(self._uri):
            super().log_hyperparams({f"{self._prefix}.{name}": value for name, value in params.items()})

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Metrics of one epoch."""
        with mlflow_errors(self._uri):
            super().log_metrics(metrics, step)

    def finalize(self, status: str = "success") -> None:
        """The checkpoint kept; the run stays open, where Lightning's own would end it."""
        kept: ModelCheckpoint | None = self._checkpoint_callback
        if kept is not None and status == "success":
            with mlflow_errors(self._uri):
                self._scan_and_log_checkpoints(kept)
