"""One user's request to a ranker, features and all, against the same model asked the plain way.

    python -m benchmarks.ranker_latency [--data ml-latest-small.zip]

The request: 200 candidates retrieved from 3,700 items, the user's features given as an array (as the model server looks
them up), ten items out; once for a user who comes for the first time, once for the same again, whose candidates are
remembered. The plain way retrieves the same candidates and puts the same columns into a DataFrame, for scikit-learn's
pipeline of StandardScaler and LogisticRegression, or for LightGBM's ``Booster.predict``, on one thread as ours. Both
rank alike. Bars: at most 0.5x (logreg) and 1x (lightgbm: the trees take most of both) the plain way's median time in
the same run, alternating, for users who come for the first time; 1 ms and 2 ms are aimed at on a quiet core and not
judged. Without ``--data``: synthetic ratings.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from core.interactions import Interactions
from loaders.local import LocalDataLoader
from loaders.synthetic import SyntheticDataLoader
from wrappers.lightgbm_ranker import LightGBM
from wrappers.logreg import LogReg
from wrappers.ranker import RankerWrapper
from wrappers.ranking_columns import ranking_columns

N_ITEMS, K, REQUESTS, WARM_UP = 3_700, 10, 300, 20
AIMS_MS = {"logreg": 1.0, "lightgbm": 2.0}
CEILINGS = {"logreg": 0.5, "lightgbm": 1.0}

Predict = Callable[[pd.DataFrame], npt.NDArray[np.float64]]


def most_rated(interactions: Interactions, n_items: int) -> Interactions:
    """The ratings of the n_items most rated items."""
    counts = interactions.ratings["item_id"].value_counts().head(n_items)
    return interactions.take(np.flatnonzero(interactions.ratings["item_id"].isin(counts.index)))


def scikit_learn(fitted: LogReg) -> Predict:
    """The same regression as scikit-learn's own pipeline."""
    state = fitted.state()
    scaler, regression = StandardScaler(), LogisticRegression()
    names = np.array(fitted.column_names, object)
    scaler.mean_, scaler.scale_ = (state[name].astype(np.float64) for name in ("mean", "scale"))
    scaler.var_, scaler.n_features_in_, scaler.feature_names_in_ = scaler.scale_**2, len(names), names
    regression.coef_, regression.classes_ = state["coefficients"][np.newaxis].astype(np.float64), np.array([0, 1])
    regression.intercept_, regression.n_features_in_ = state["intercept"].astype(np.float64), len(names)
    pipeline = Pipeline([("scale", scaler), ("rank", regression)])
    return lambda frame: pipeline.predict_proba(frame)[:, 1]


def plain_list(fitted: RankerWrapper, predict: Predict, user_id: Any, row: npt.NDArray[np.float32]) -> list[Any]:
    """The user's list by way of a DataFrame."""
    found = fitted._retriever.recommend([user_id], fitted.config.n_candidates)
    columns = ranking_columns(fitted.layout, row[np.newaxis], fitted._item_rows, found.item_index, found.scores)[0]
    frame = pd.DataFrame(columns, columns=list(fitted.column_names))
    best = np.argsort(-predict(frame), kind="stable")[:K]
    return fitted.known.items.ids[found.item_index[0, best]].tolist()


def measured(fitted: RankerWrapper, predict: Predict) -> dict[str, float]:
    """Median milliseconds: of ours for the first time and again, the plain way, and the retriever alone."""
    rows = np.where(np.isnan(fitted._stored.rows), fitted._stored.defaults, fitted._stored.rows)
    taken: dict[str, list[float]] = {"ours": [], "again": [], "plain": [], "retriever": []}
    same = 0
    for place in np.random.default_rng(0).permutation(len(rows))[: WARM_UP + REQUESTS]:
        user_id, row = fitted.known.users.ids[place].item(), rows[place]
        asked = [{"user_id": user_id, "k": K, "features": row}]
        times = [time.perf_counter()]
        answer = fitted.predict(asked)
        times.append(time.perf_counter())
        fitted.predict(asked)
        times.append(time.perf_counter())
        expected = plain_list(fitted, predict, user_id, row)
        times.append(time.perf_counter())
        fitted._retriever.predict([{"user_id": user_id, "k": K}])
        times.append(time.perf_counter())
        for kept, seconds in zip(taken.values(), np.diff(times), strict=True):
            kept.append(1e3 * seconds)
        same += [item["item_id"] for item in answer[0]["items"]] == expected
    # Scores that are equal but for rounding may stand in another order.
    assert same >= 0.95 * len(taken["ours"]), f"only {same} lists of {len(taken['ours'])} are the same"
    return {name: float(np.median(values[WARM_UP:])) for name, values in taken.items()}


def main() -> int:
    """Print our figures, the plain way's and the ratios; 1 if a bar does not hold."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, help="a MovieLens folder or zip")
    data = options.parse_args().data
    ratings = most_rated((LocalDataLoader(data) if data else SyntheticDataLoader()).load(), N_ITEMS)
    logreg, trees = LogReg().fit(ratings), LightGBM().fit(ratings)
    held = True
    for fitted, predict in ((logreg, scikit_learn(logreg)), (trees, partial(trees._booster.predict, num_threads=1))):
        took, ceiling = measured(fitted, predict), CEILINGS[fitted.name]
        held &= took["ours"] <= ceiling * took["plain"]
        print(
            f"{fitted.name:<9} {took['ours']:6.3f} ms (aim {AIMS_MS[fitted.name]:.0f})  again {took['again']:6.3f} ms  "
            f"plain {took['plain']:6.3f} ms  ratio {took['ours'] / took['plain']:.3f} (<= {ceiling})  "
            f"{fitted._retriever.name} alone {took['retriever']:6.3f} ms"
        )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
