"""Challengers made for the occasion, to see whether a rollout finds what was planted."""

from __future__ import annotations

from dataclasses import replace

from core.protocols import DataLoader
from tracking.client import Tracker
from tracking.provenance import run_params
from tracking.registry import MODEL_KIND
from tracking.runs import new_run
from wrappers.base import EvaluationConfig
from wrappers.contestants import MADE_FROM_RUN, Contestant, load_contestant, refit
from wrappers.judgement import judge
from wrappers.pyfunc import log_wrapper
from wrappers.recommender import RecommenderWrapper
from wrappers.selection import Rule, Selection
from wrappers.shuffled import Shuffled


def plant_challenger(
    tracker: Tracker, selection: Selection, rule: Rule, loader: DataLoader, options: EvaluationConfig
) -> Selection:
    """Put a planted challenger in place. It gets a run of its own, with its figures, but is not trained.

    ``shuffle`` shuffles the champion's best items; the other plants take the champion's own artifact a second time
    (what differs then is done by the simulated users), and are judged like the champion: by a refit where it was.

    Args:
        tracker: Where the runs go.
        selection: Champion, as :func:`wrappers.selection.select` chose it.
        rule: Tells the plant, and the seed of a shuffle.
        loader: The data to evaluate on.
        options: How to evaluate.

    Returns:
        The selection with the challenger in place; unchanged where nothing is planted.

    Raises:
        TrackingError: MLflow refused.
    """
    if rule.plant == "none":
        return selection
    champion = load_contestant(tracker, selection.champion)
    planted: RecommenderWrapper = champion
    name = f"{selection.champion.name} again"
    if rule.plant == "shuffle":
        planted = Shuffled.around(champion, seed=rule.seed)
        name = f"{selection.champion.name} shuffled"
    params = {
        "model": planted.name,
        "plant": rule.plant,
        MADE_FROM_RUN: selection.champion.run_id,
        **run_params(loader.provenance(), seed=rule.seed if rule.plant == "shuffle" else None),
    }
    with new_run(tracker, name, params=params, tags={MODEL_KIND: planted.name}) as run_id:
        log_wrapper(tracker, run_id, planted)
        refitted = selection.champion.refitted
        judged = judge(tracker, run_id, refit(planted, loader) if refitted else planted, loader, options)
    return replace(selection, challenger=Contestant(name, planted.name, run_id, judged.evaluation, refitted=refitted))
