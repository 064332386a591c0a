"""What the training pipeline is given: the settings, the data and the models, for whoever starts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.settings import Settings
from loaders.choice import Source
from wrappers.registry import model


def training_arguments(
    settings: Settings,
    source: Source,
    *,
    models: Sequence[str],
    configs: Mapping[str, Mapping[str, Any]],
    seed: int,
    tracking_uri: str,
    pair: str = "",
    plant: str = "none",
) -> dict[str, Any]:
    """Every parameter of the training pipeline.

    Args:
        settings: The settings in force.
        source: The data.
        models: Models to train.
        configs: Hyperparameters by model; a model without an entry takes its defaults.
        seed: Of synthetic data, split and bootstrap.
        tracking_uri: MLflow's address.
        pair: ``a,b`` makes a champion and b challenger; empty: the gate decides.
        plant: none, aa, uplift, damage or shuffle.
    """
    return {
        "source": source.path,
        "loader": source.kind,
        "columns": settings.data_columns,
        "models": list(models),
        "configs": {name: dict(config) for name, config in configs.items()},
        "pair": pair,
        "plant": plant,
        "split": settings.split,
        "split_n": settings.split_n,
        "split_test_fraction": settings.split_test_fraction,
        "split_folds": settings.split_folds,
        "split_fold": settings.split_fold,
        "thresholds": settings.validation.model_dump(),
        "quarantine": settings.quarantine,
        "k": settings.k,
        "relevant_rating": settings.relevant_rating,
        "gate_metric": settings.gate_metric,
        "gate_threshold": settings.gate_threshold,
        "features": need_features(models),
        "snapshot_days": settings.feature_snapshot_days,
        "seed": seed,
        "tracking_uri": tracking_uri,
        "experiment": settings.mlflow_experiment_name,
        "model_name": settings.mlflow_model_name,
    }


def need_features(models: Sequence[str]) -> bool:
    """Whether one of the models looks features up when it serves.

    Raises:
        UnknownName: Nobody registered one of them.
    """
    return any(model(name).needs_features for name in models)
