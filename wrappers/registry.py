"""The models there are. To add one: its file, and a line here."""

from __future__ import annotations

from core.plugins import known, resolve
from wrappers.base import ModelWrapper

MODELS = {
    "popularity": "wrappers.popularity:Popularity",
    "item_knn": "wrappers.item_knn:ItemKNN",
    "ease": "wrappers.ease:Ease",
    "als": "wrappers.als:ALS",
    "logreg": "wrappers.logreg:LogReg",
    "lightgbm": "wrappers.lightgbm_ranker:LightGBM",
    "shuffled": "wrappers.shuffled:Shuffled",
}


def model(name: str) -> type[ModelWrapper]:
    """The model registered under a name, here or by an installed package (entry point ``screentest.models``).

    Raises:
        UnknownName: Nobody registered the name.
        ConfigError: It is registered, but its module or class is missing or is no model.
    """
    return resolve("model", name, MODELS, base=ModelWrapper, where="wrappers/registry.py")


def model_names() -> list[str]:
    """Every name that :func:`model` knows, those of installed packages included, ascending."""
    return sorted(known("model", MODELS))
