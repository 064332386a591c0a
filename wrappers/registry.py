"""The models there are. To add one: its file, and a line here."""

from __future__ import annotations

from core.plugins import known, resolve
from wrappers.base import ModelWrapper

MODELS = {
    "popularity": "wrappers.popularity:Popularity",
    "item_knn": "wrappers.item_knn:ItemKNN",
    "sequence_knn": "wrappers.sequence_knn:SequenceKNN",
    "user_knn": "wrappers.user_knn:UserKNN",
    "ease": "wrappers.ease:Ease",
    "als": "wrappers.als:ALS",
    "ials": "wrappers.ials:IALS",
    "bpr": "wrappers.bpr:BPR",
    "svd": "wrappers.svd:SVD",
    "svdpp": "wrappers.svdpp:SVDpp",
    "logreg": "wrappers.logreg:LogReg",
    "lightgbm": "wrappers.lightgbm_ranker:LightGBM",
    "ncf": "wrappers.ncf:NCF",
    "two_tower": "wrappers.two_tower:TwoTower",
    "wide_deep": "wrappers.wide_deep:WideDeep",
    "content": "wrappers.content:Content",
    "deep_content": "wrappers.deep_content:DeepContent",
    "langgraph": "wrappers.langgraph_wrapper:LangGraphWrapper",
    "ensemble": "wrappers.ensemble:Ensemble",
    "hybrid": "wrappers.hybrid:Hybrid",
    "attention_hybrid": "wrappers.attention_hybrid:AttentionHybrid",
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
