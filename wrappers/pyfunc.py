"""The wrappers as MLflow pyfunc models: MLflow calls ``_load_pyfunc`` here, on data only.

For interoperability (``mlflow.pyfunc.load_model``, batch scoring); our servers load the wrapper directly. Whoever
loads the model this way needs this package installed: no code travels with the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from tracking.client import Tracker
from tracking.models import log_model
from wrappers.artifact import load_wrapper
from wrappers.base import ModelWrapper
from wrappers.recommender import RecommenderWrapper

LOADER_MODULE = "wrappers.pyfunc"
#: What a loaded recommender imports; pinned by name, because MLflow's own search takes seconds.
_REQUIRED = ("mlflow", "numpy", "scipy", "pandas", "pyarrow", "pydantic")


class PyfuncModel:
    """What ``mlflow.pyfunc.load_model`` hands out, inside MLflow's own wrapper."""

    def __init__(self, wrapper: ModelWrapper) -> None:
        self.wrapper = wrapper

    def predict(
        self, model_input: pd.DataFrame | Sequence[Mapping[str, Any]], params: Mapping[str, Any] | None = None
    ) -> Any:
        """The wrapper's own answer; ``params`` is MLflow's and not used."""
        return self.wrapper.predict(model_input)


def _load_pyfunc(data_path: str) -> PyfuncModel:
    """Called by MLflow with the folder that the wrapper saved."""
    return PyfuncModel(load_wrapper(data_path))


def log_wrapper(tracker: Tracker, run_id: str, recommender: RecommenderWrapper) -> str:
    """Keep a trained recommender with the run that trained it, as data and pyfunc, with signature and example.

    Args:
        tracker: Where to.
        run_id: The run.
        recommender: Trained.

    Returns:
        The model's URI.

    Raises:
        TrackingError: MLflow refused.
    """
    example = _input_example(recommender)
    with TemporaryDirectory(prefix="screentest-model-") as scratch:
        folder = Path(scratch) / recommender.name
        recommender.save(folder)
        return log_model(
            tracker,
            run_id,
            folder,
            loader_module=LOADER_MODULE,
            input_example=example,
            output_example=recommender.predict(example),
            requirements=requirements_of(recommender),
            optional=("k", "exclude_items", "explain"),
        )


def requirements_of(*models: ModelWrapper) -> list[str]:
    """What must be installed to load models, ``["mlflow==3.17.2", …]``: what is installed here."""
    packages = dict.fromkeys([*_REQUIRED, *(package for model in models for package in model.packages)])
    return [f"{package}=={version(package)}" for package in packages]


def _input_example(recommender: RecommenderWrapper) -> pd.DataFrame:
    """A request of the first user with every field."""
    user_ids, item_ids = recommender.known.users.ids[:1].tolist(), recommender.known.items.ids[:1].tolist()
    return pd.DataFrame({"user_id": user_ids, "k": [3], "exclude_items": [item_ids], "explain": ["en"]})
