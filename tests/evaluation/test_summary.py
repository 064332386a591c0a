from __future__ import annotations

import math

import numpy as np
import pytest

from evaluation.summary import summarise


def test_mean_and_interval_of_each_metric() -> None:
    rng = np.random.default_rng(0)
    ndcg = rng.beta(1, 3, 500)
    found = summarise({"ndcg": ndcg, "double": 2 * ndcg}, seed=0)
    assert found["ndcg"].mean == pytest.approx(ndcg.mean())
    assert found["ndcg"].ci_lower < ndcg.mean() < found["ndcg"].ci_upper
    half_width = (found["ndcg"].ci_upper - found["ndcg"].ci_lower) / 2
    assert half_width == pytest.approx(1.96 * ndcg.std() / math.sqrt(500), rel=0.1)
    np.testing.assert_allclose(found["double"][:3], 2 * np.array(found["ndcg"][:3]))


def test_every_metric_is_over_the_same_users() -> None:
    found = summarise({"a": np.array([1.0, 2.0, np.nan]), "b": np.array([np.nan, 4.0, 6.0])}, seed=0)
    assert [(row.mean, row.n_users, row.status) for row in found.values()] == [
        (2.0, 1, "no_variance"),
        (4.0, 1, "no_variance"),
    ]
    assert math.isnan(found["a"].ci_lower)


def test_nobody_and_nothing() -> None:
    found = summarise({"ndcg": np.array([np.nan, np.nan])}, seed=0)["ndcg"]
    assert (found.n_users, found.status) == (0, "no_units")
    assert math.isnan(found.mean)
    assert summarise({}, seed=0) == {}
    with pytest.raises(ValueError, match="alpha"):
        summarise({}, alpha=0, seed=0)


def test_a_constant_metric_has_no_interval_while_the_others_have() -> None:
    found = summarise({"hit_rate": np.ones(20), "mrr": np.linspace(0, 1, 20)}, seed=0)
    assert (found["hit_rate"].status, found["hit_rate"].mean) == ("no_variance", 1.0)
    assert found["mrr"].status == "ok"
