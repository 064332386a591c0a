"""``loo99``: the protocol of the NCF paper (He et al. 2017), with its published test pairs and negatives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from core.interactions import Interactions
from evaluation.ranks import rank_within
from evaluation.splits import split_by
from wrappers.protocols.negatives import RankedAmongNegatives, hit_rate_and_ndcg, rank_among_negatives
from wrappers.protocols.protocol import BenchmarkData, Protocol, Published, Round

_Ids: TypeAlias = npt.NDArray[np.int64]
_N_NEGATIVES, _K = 99, 10
_VALIDATION_SEED = 1


class LOO99(Protocol):
    """Each user's latest rating held out and ranked against 99 items that she did not rate; ties lose.

    Every rating is a positive. Test pairs and negatives are those that the paper's authors published.
    """

    name = "loo99"
    summary = "each user's latest rating against the 99 published negatives (NCF paper)"
    metrics = ("ndcg@10", "hr@10")
    models = ("popularity", "item_knn", "sequence_knn", "ease", "ials", "ncf", "ensemble", "hybrid")
    needs = (
        "ML-1M (ml-1m.zip from https://grouplens.org/datasets/movielens/1m/), and beside it or in its folder "
        "ml-1m.test.rating and ml-1m.test.negative from https://github.com/hexiangnan/neural_collaborative_filtering "
        "(folder Data); ml-1m.train.rating from there stands in for ratings.dat"
    )
    rows = {"ml-1m": (994_169, 6_040)}
    recipes = {"ials": {"embedding_size": 192, "epochs": 12, "reg": 0.007, "unobserved_weight": 0.3, "stddev": 0.1}}
    published = {
        "ml-1m": (
            Published("iALS, d = 192", "ials", {"hr@10": 0.7310, "ndcg@10": 0.4521}),
            Published("EASE", "ease", {"hr@10": 0.7192, "ndcg@10": 0.4494}),
            Published("SLIM", "", {"hr@10": 0.7162, "ndcg@10": 0.4468}),
            Published("NeuMF", "ncf", {"hr@10": 0.7093, "ndcg@10": 0.4349}),
            Published("PureSVD", "", {"hr@10": 0.6937, "ndcg@10": 0.4303}),
            Published("item-kNN", "item_knn", {"hr@10": 0.6694, "ndcg@10": 0.3979}),
            Published("popularity", "popularity", {"hr@10": 0.4533, "ndcg@10": 0.2542}),
        )
    }

    def settings(self, data: BenchmarkData) -> Mapping[str, Any]:
        """Models made of others learn from each user's latest ratings; from any where the data know no times."""
        timed = data.interactions.ratings["timestamp"].nunique() > 1
        return {"hold_out": "latest" if timed else "random"}

    def rounds(self, data: BenchmarkData) -> Iterator[Round]:
        """One: everything but the published test pairs to learn from."""
        if data.ranked is None:
            raise DataError(f"loo99 needs the published test pairs and negatives; it needs {self.needs}")
        yield _round(data.interactions, data.ranked)

    def validation(self, train: Interactions) -> list[Round]:
        """Each user's latest training rating against 99 items drawn from those that she did not rate in it.

        A random rating where the data know no times.
        """
        ratings = train.ratings
        user, item = ratings["user_id"].to_numpy(), ratings["item_id"].to_numpy()
        rng = np.random.default_rng(_VALIDATION_SEED)
        ranked = rank_within(user, ratings["timestamp"].to_numpy(), rng.random(len(user)))
        held_out = (ranked.rank == ranked.size - 1) & (ranked.size > 1)
        drawn = _negatives(train, user[held_out], rng)
        return [_round(train, RankedAmongNegatives(user[held_out], item[held_out], drawn))]


def _round(interactions: Interactions, ranked: RankedAmongNegatives) -> Round:
    ratings = interactions.ratings
    held_out = _is_among(ratings["user_id"].to_numpy(), ratings["item_id"].to_numpy(), ranked.user_id, ranked.item_id)
    split = split_by(held_out)
    if len(split.test) != len(ranked.user_id):
        raise DataError(
            f"{len(ranked.user_id):,} test pairs were published, {len(split.test):,} ratings of this data are among "
            "them; the data must be ML-1M in its own order of rows (item = order of first appearance)"
        )
    return Round(
        interactions.take(split.train),
        lambda model: hit_rate_and_ndcg(rank_among_negatives(model, ranked), _K),
        len(split.test),
    )


def _negatives(train: Interactions, users: _Ids, rng: np.random.Generator) -> _Ids:
    """(n, 99) items that each user did not rate, drawn without replacement."""
    items = train.item_index()
    if len(items) <= _N_NEGATIVES:
        raise DataError(f"loo99 needs more than {_N_NEGATIVES} items, the training part has {len(items)}")
    of_user, n_users = train.user_index(), len(users)
    seen = np.zeros((len(of_user), len(items)), np.bool_)
    seen[of_user.index_of(train.ratings["user_id"].to_numpy()), items.index_of(train.ratings["item_id"].to_numpy())] = (
        True
    )
    keys = rng.random((n_users, len(items)), dtype=np.float32)
    keys[seen[of_user.index_of(users)]] = np.inf
    return items.ids[np.argpartition(keys, _N_NEGATIVES, axis=1)[:, :_N_NEGATIVES]]


def _is_among(user: _Ids, item: _Ids, users: _Ids, items: _Ids) -> npt.NDArray[np.bool_]:
    """(n_rows,) bool, True where (user, item) is one of the pairs."""
    ids = np.unique(np.concatenate([item, items]))
    _, code = np.unique(np.concatenate([user, users]), return_inverse=True)
    keys = code * len(ids) + np.searchsorted(ids, np.concatenate([item, items]))
    return np.isin(keys[: len(user)], keys[len(user) :])
