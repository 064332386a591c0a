"""BPR: what is drawn, and each step against the criterion's derivative, one pair at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import sparse

from tests.small_interactions import grouped_loader, interactions_of, random_interactions
from wrappers import pairwise_sgd
from wrappers.bpr import BPR
from wrappers.pairwise_sgd import PairwiseSGD, Steps
from wrappers.popularity import Popularity

STEPS = Steps(learning_rate=0.1, reg=0.05, batch_size=8, candidates=1)
Floats = npt.NDArray[np.float32]


def sgd(history: npt.ArrayLike, steps: Steps = STEPS, seed: int = 0) -> tuple[PairwiseSGD, Floats, Floats]:
    """The descent on these ratings, and the factors that it moves."""
    rows, rng = sparse.csr_array(np.asarray(history, np.float32)), np.random.default_rng(seed)
    users, items = (rng.normal(size=(n, 4)).astype(np.float32) for n in rows.shape)
    users[:, -1] = 1.0
    return PairwiseSGD(rows, users, items, steps, rng), users, items


def criterion(users: Floats, items: Floats, pairs: list[tuple[int, int, int]], reg: float) -> float:
    """BPR-OPT of the pairs, the user's constant not penalised, since it does not move."""
    total = 0.0
    for user, better, worse in pairs:
        x, y_better, y_worse = users[user].astype(float), items[better].astype(float), items[worse].astype(float)
        total += np.log(1 / (1 + np.exp(-x @ (y_better - y_worse))))
        total -= reg / 2 * (x[:-1] @ x[:-1] + y_better @ y_better + y_worse @ y_worse)
    return total


def test_a_step_is_adagrad_on_the_criterion() -> None:
    descent, users, items = sgd(np.eye(3, 5))
    pairs = [(0, 0, 3), (0, 0, 4), (2, 2, 3), (1, 1, 2)]
    before, width = (users.copy(), items.copy()), 1e-3
    descent._step(*map(np.array, zip(*pairs, strict=True)))
    for which, moved in enumerate((users, items)):
        for place in np.ndindex(moved.shape):
            if which == 0 and place[1] == 3:
                assert moved[place] == 1.0
                continue
            ahead, behind = ([array.copy() for array in before] for _ in range(2))
            ahead[which][place] += width
            behind[which][place] -= width
            slope = (criterion(*ahead, pairs, 0.05) - criterion(*behind, pairs, 0.05)) / (2 * width)
            expected = before[which][place] + 0.1 * slope / np.sqrt(0.01 + slope**2)
            assert moved[place] == pytest.approx(expected, abs=2e-4)


def test_what_is_drawn_was_not_rated() -> None:
    history = np.random.default_rng(1).random((20, 15)) < 0.6
    history[7] = True
    descent, _, _ = sgd(history, STEPS._replace(candidates=5))
    user = np.repeat(np.arange(20), 50)
    drawn = descent._unrated(user)
    assert (drawn[user == 7] == -1).all()
    found = drawn >= 0
    assert not history[user[found], drawn[found]].any()
    # Five draws miss all unrated items with probability .6^5 = .08.
    assert found[user != 7].mean() > 0.85


def test_the_highest_scored_candidate_is_taken() -> None:
    history = np.zeros((2, 6))
    history[:, 0] = 1
    descent, users, items = sgd(history, STEPS._replace(candidates=200))
    users[:] = [[1, 0, 0, 1], [-1, 0, 0, 1]]
    items[:] = 0
    # Item 0 scores highest, but is rated; then 5 for the one user, 2 for the other.
    items[:, 0] = [9, 1, -5, 2, 3, 7]
    items[0, 3] = 20
    assert descent._unrated(np.array([0, 1, 0])).tolist() == [5, 2, 5]


def test_one_candidate_is_drawn_evenly() -> None:
    history = np.zeros((1, 8))
    history[0, :3] = 1
    descent, _, _ = sgd(history)
    drawn = np.concatenate([descent._unrated(np.zeros(500, np.int64)) for _ in range(40)])
    share = np.bincount(drawn[drawn >= 0], minlength=8) / np.count_nonzero(drawn >= 0)
    # The draws of a batch share its pool: 8 items from each of 40 pools, a standard error of .02.
    np.testing.assert_allclose(share, [0, 0, 0, 0.2, 0.2, 0.2, 0.2, 0.2], atol=0.1)


def test_every_rating_is_learned_from_once_an_epoch() -> None:
    descent, _, _ = sgd(np.random.default_rng(1).random((20, 15)) < 0.6)
    batches = list(descent._batches())
    assert {len(batch) for batch in batches[:-1]} == {8}
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(len(descent._user)))


def test_learns_what_popularity_cannot_know() -> None:
    loader = grouped_loader()
    bpr, popularity = (model.train(loader).evaluate(loader).means["ndcg_at_10"] for model in (BPR(), Popularity()))
    assert bpr > 2 * popularity


def test_biases_put_what_everyone_rated_first_for_those_alike() -> None:
    users = np.concatenate([np.arange(30), np.arange(10), [30]])
    items = np.concatenate([np.full(30, 1), np.full(10, 2), [3]])
    model = BPR({"embedding_size": 2, "candidate_share": 0}).fit(interactions_of(users, items))
    bias = model.state()["item_factors"][:, -1]
    assert bias[0] > bias[1] > bias[2]
    assert (model.state()["user_factors"][:, -1] == 1.0).all()


def test_the_seed_decides() -> None:
    data, config = random_interactions(), {"epochs": 2}
    first, again, other = (BPR({**config, "seed": seed}).fit(data).state()["item_factors"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_contributions_are_cosines_without_the_bias() -> None:
    model = BPR({"embedding_size": 3, "epochs": 3}).fit(random_interactions())
    factors = model.state()["item_factors"][:, :3].astype(np.float64)
    rated, cosine = model.contributions(2, np.array([5, 0]))
    np.testing.assert_array_equal(rated, np.flatnonzero(model.known.history.toarray()[2]))
    unit = factors / np.linalg.norm(factors, axis=1, keepdims=True)
    np.testing.assert_allclose(cosine, unit[[5, 0]] @ unit[rated].T, atol=1e-5)


def test_candidates_are_the_same_however_they_are_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    history = np.random.default_rng(0).random((20, 30)) < 0.3
    user = np.arange(20)
    found = []
    for speedup in (0, 1000):
        monkeypatch.setattr(pairwise_sgd, "_PRODUCT_SPEEDUP", speedup)
        found.append(sgd(history, STEPS._replace(candidates=4))[0]._unrated(user))
    np.testing.assert_array_equal(*found)
    assert not history[user, found[0]].any()
