"""A catalogue of millions made from one of thousands: a trained ranker's factors, features and ratings, repeated with
noise. The same arguments make the same model.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from benchmarks.retrieval import Floats, many
from core.ids import IdIndex
from loaders.local import LocalDataLoader
from loaders.synthetic import SyntheticDataLoader
from wrappers.artifact import Artifact, read_artifact, write_artifact
from wrappers.ials import IALS
from wrappers.registry import model
from wrappers.texts import STRINGS
from wrappers.training_data import TrainingData
from wrappers.vector_index import exact_search

WIDTH, PER_USER, K, SEED = 64, 20, 10, 0
RANKER = "logreg"
_ASKED = 200


class Tiled(NamedTuple):
    """What was made.

    Attributes:
        found_by: Kind of the index, its recall when it was built, lists looked through.
        index_s: How long it took to build.
        recall: Of the ten best by scoring all items, the share that is found in two stages, before features rank them.
        version: What the users' features are filed under.
        user_rows: (n_users, n_features) of them.
    """

    found_by: dict[str, Any]
    index_s: float
    recall: float
    version: str
    user_rows: Floats


def tiled(folder: Path, *, n_users: int, n_items: int, data: Path | None) -> Tiled:
    """Train a ranker on the few, and save one of the many.

    A user keeps the tastes of the one she is made from: of each of up to ``PER_USER`` films that one rated she rated
    one of the copies. Vectors of items and users get noise of half of the factors' standard deviation.

    Args:
        folder: Gets ``many``, the artifact.
        n_users: How many users.
        n_items: How many items.
        data: A MovieLens folder or zip; None: synthetic ratings.
    """
    loader = LocalDataLoader(data) if data else SyntheticDataLoader()
    few = model(RANKER)({"retriever": "ials", "retriever_config": {"embedding_size": WIDTH}, "n_candidates": 200})
    few.train(loader)
    with tempfile.TemporaryDirectory() as name:
        few.save(Path(name) / "few")
        made = read_artifact(Path(name) / "few")
    rng = np.random.default_rng(SEED)
    known = TrainingData.from_arrays(made.arrays["known"], made.tables["items"])
    of_item, of_user = (rng.integers(len(few), size=n) for few, n in ((known.items, n_items), (known.users, n_users)))
    many_known = TrainingData(
        IdIndex(np.arange(1, n_users + 1)),
        IdIndex(np.arange(1, n_items + 1)),
        _history(known.history, of_user, of_item, rng),
        _catalogue(known.catalogue, of_item),
    )
    retriever = IALS({"embedding_size": WIDTH})
    retriever.known = many_known
    factors = made.arrays["retriever"]
    retriever.restore(
        {
            "item_factors": many(factors["item_factors"], of_item, rng),
            "user_factors": many(factors["user_factors"], of_user, rng),
        }
    )
    start = time.perf_counter()
    retriever.build_retrieval()
    took = time.perf_counter() - start
    kept = retriever.state()
    state = {**made.arrays["state"]}
    state["user_rows"], state["item_rows"] = state["user_rows"][of_user], state["item_rows"][of_item]
    write_artifact(folder / "many", _of_many(made, many_known, state, kept))
    told = retriever.retrieval_told().get("collaborative", {"kind": "none: all items are scored"})
    return Tiled(told, took, recall(retriever, rng), made.header["features"]["version"], state["user_rows"])


def _of_many(few: Artifact, known: TrainingData, state: dict[str, Any], retriever: dict[str, Any]) -> Artifact:
    header = {name: value for name, value in few.header.items() if name not in ("format", "sha256")}
    header["dimensions"] = {"n_users": len(known.users), "n_items": len(known.items)}
    header["id_types"] = {"user_id": "int64", "item_id": "int64"}
    arrays = {"known": known.arrays(), "state": state, "retriever": retriever}
    return replace(few, header=header, arrays=arrays, tables={"items": known.catalogue})


def recall(retriever: IALS, rng: np.random.Generator) -> float:
    """Of the truly best K that some users have not rated, the share that their lists have."""
    users = np.sort(rng.choice(len(retriever.known.users), _ASKED, replace=False))
    state, history = retriever.state(), retriever.known.history
    best = exact_search(state["item_factors"], state["user_factors"][users], K + PER_USER).item_index
    found = retriever.recommend(retriever.known.users.ids[users], K).item_index
    shares = []
    for row, user in enumerate(users.tolist()):
        seen = history.indices[history.indptr[user] : history.indptr[user + 1]]
        truth = best[row][~np.isin(best[row], seen)][:K]
        shares.append(np.isin(truth, found[row]).mean())
    return float(np.mean(shares))


def _history(
    few: sparse.csr_array[Any, Any], of_user: npt.NDArray[np.int64], of_item: npt.NDArray[np.int64], rng: Any
) -> sparse.csr_array[Any, Any]:
    """Who rated what: of what the one rated whom a user is made from, up to PER_USER, one copy each."""
    copies = np.argsort(of_item, kind="stable")
    count = np.bincount(of_item, minlength=few.shape[1])
    first = np.cumsum(count) - count
    rated = np.diff(few.indptr)[of_user]
    n_each = np.minimum(rated, PER_USER)
    row = np.repeat(np.arange(len(of_user)), n_each)
    # Consecutive ones of the parent's, from a place at random on: different without drawing for each user.
    place = np.arange(len(row)) - np.repeat(np.cumsum(n_each) - n_each, n_each)
    offset = np.repeat((rng.random(len(of_user)) * rated).astype(np.int64), n_each)
    parent = few.indices[few.indptr[of_user[row]] + (offset + place) % rated[row]]
    has_copy = count[parent] > 0
    row, parent = row[has_copy], parent[has_copy]
    item = copies[first[parent] + (rng.random(len(parent)) * count[parent]).astype(np.int64)]
    order = np.lexsort((item, row))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(of_user)))])
    ones = np.ones(len(item), np.float32)
    return sparse.csr_array((ones, item[order].astype(np.int32), indptr), shape=(len(of_user), len(of_item)))


def _catalogue(few: pd.DataFrame, of_item: npt.NDArray[np.int64]) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.compute as pc

    number = np.arange(1, len(of_item) + 1)
    title = pa.array(few["title"], pa.large_string()).take(pa.array(of_item))
    numbered = pc.binary_join_element_wise(
        title, pc.cast(pa.array(number), pa.large_string()), pa.scalar(" #", pa.large_string())
    )
    return pd.DataFrame(
        {
            "item_id": number,
            "title": pd.Series(numbered.to_pandas(types_mapper={pa.large_string(): STRINGS}.get)),
            "year": few["year"].take(of_item).to_numpy(),
            "genres": few["genres"].take(of_item).reset_index(drop=True),
        }
    ).astype({"year": "Int16"})
