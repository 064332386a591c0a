"""A leaderboard of small models, without MLflow: for tests of the page and of what programs read."""

from __future__ import annotations

from functools import lru_cache

from tests.small_interactions import grouped_loader
from wrappers.base import EvaluationConfig
from wrappers.contestants import Contestant, as_recommender
from wrappers.leaderboard import Leaderboard
from wrappers.registry import model
from wrappers.selection import Rule, select

TRIO = ("popularity", "item_knn", "ease")
FACTS = {"Data": "made up", "Held out": "3 of each user"}


@lru_cache
def leaderboard(names: tuple[str, ...] = TRIO, *, prefix: str = "") -> Leaderboard:
    """Trained, judged and chosen from; every name gets the prefix."""
    loader = grouped_loader()
    contestants = [
        Contestant(
            f"{prefix}{name}",
            name,
            f"run-{name}",
            as_recommender(model(name)()).train(loader).evaluate(loader, EvaluationConfig(k=5)),
        )
        for name in names
    ]
    return Leaderboard(contestants, select(contestants, None, Rule()), "ndcg", {})
