"""Nearest items of a vector among millions: the exact product where it is quick enough, faiss above.

Every model that scores by an inner product of user and item vectors (als, bpr, ials, two_tower …) can be asked for its
best items in this way. How many of the truly best an approximate index finds is measured when it is built, on queries
that it was not tuned on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast, get_args

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DataError
from core.progress import report

Floats = npt.NDArray[np.float32]
Kind = Literal["exact", "inverted", "quantised", "product_quantised"]

#: Training vectors for each list's centre: faiss warns below 39 and uses no more than 256.
_PER_LIST = 64
_FEWEST_PER_LIST = 60
_MOST_LISTS = 65_536
#: Finds for each of the best from which on half a byte per number may do: who asks for so many picks among them by
#: whole numbers.
_MANY_FINDS = 10
#: Finds of half a byte per number for each one that whole numbers then keep: their order is rough.
_SPARE_FINDS = 8
#: Queries that are compared with all items between two lines of progress.
_EXACT_ROWS = 250
#: Items that are put into lists between two lines of progress.
_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class IndexPlan:
    """How an index is built.

    Attributes:
        exact_below: Fewer items than this are searched exactly; an exact search of 100,000 takes about a millisecond.
        quantise_from: As many items, or more, are kept in a byte per number instead of four; in half a byte where
            ``depth`` is at least ten times ``k``, and so they reach the recall too.
        recall: Share of the truly best items that an approximate search must find, above 0, at most 1.
        k: Length of the lists that recall is measured at.
        depth: How many are searched for where recall is measured: more than ``k`` where the best of what is found are
            then picked by whole numbers. Never fewer than ``k``.
        n_queries: Queries for tuning, and as many again for measuring.
        seed: Of the sample that lists are learned from, and of the queries drawn.
    """

    exact_below: int = 100_000
    quantise_from: int = 1_000_000
    recall: float = 0.97
    k: int = 10
    depth: int = 0
    n_queries: int = 1_000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.recall <= 1:
            raise ConfigError(f"recall == {self.recall}, must be above 0 and at most 1")
        if min(self.k, self.n_queries) < 1:
            raise ConfigError(f"k == {self.k}, n_queries == {self.n_queries}; both must be >= 1")


class Nearest(NamedTuple):
    """The best items of n queries.

    Attributes:
        item_index: (n, k) int64, best first; -1 where fewer were found.
        score: (n, k) float32 inner products; -inf there.
    """

    item_index: npt.NDArray[np.int64]
    score: Floats


class VectorIndex:
    """Items by their vectors, to be searched by inner product.

    >>> index = VectorIndex.build(np.eye(3, dtype=np.float32))
    >>> index.search(np.array([[0.1, 0.3, 0.2]], np.float32), 2).item_index.tolist()
    [[1, 2]]

    Attributes:
        kind: ``exact``; ``inverted``: items in lists around centres, of which the nearest are looked through;
            ``quantised``: the same, a byte per number; ``product_quantised``: half a byte, looked through twice as
            quickly (product quantisation of single numbers; André et al. 2015 for the quick scan).
        recall: Share of the truly best that it found, on queries it was not tuned on; 1 for an exact one.
        n_probe: Lists looked through; 0 for an exact one.
    """

    def __init__(self, index: Any, kind: Kind, recall: float, n_probe: int) -> None:
        self._index = index
        self.kind, self.recall, self.n_probe = kind, recall, n_probe

    @property
    def n_items(self) -> int:
        """Items in it."""
        return int(self._index.ntotal)

    @property
    def dimension(self) -> int:
        """Numbers of a vector."""
        return int(self._index.d)

    @classmethod
    def build(cls, vectors: Floats, *, plan: IndexPlan | None = None, queries: Floats | None = None) -> VectorIndex:
        """An index over items; exact below ``plan.exact_below`` of them.

        Args:
            vectors: (n, d) of the items, finite.
            plan: How; None: as ``IndexPlan`` has it.
            queries: (m, d) vectors like those that will be asked for, to tune and to measure with; None: of the items
                themselves. Their search is as hard as theirs is: give those of users.

        Raises:
            DataError: The vectors are no finite numbers, there are none, or the queries have another length.
            ConfigError: Even looking through every list finds fewer than ``plan.recall``: quantisation loses too much.
        """
        plan = plan or IndexPlan()
        vectors = _checked(vectors, "vectors")
        asked = vectors if queries is None else _checked(queries, "queries")
        if asked.shape[1] != vectors.shape[1]:
            raise DataError(f"queries have {asked.shape[1]} numbers, the items' vectors {vectors.shape[1]}")
        if len(vectors) < plan.exact_below:
            import faiss

            index = faiss.IndexFlatIP(vectors.shape[1])
            index.add(vectors)
            return cls(index, "exact", 1.0, 0)
        rng = np.random.default_rng(plan.seed)
        centres = _centres(vectors, rng)
        drawn = asked[rng.permutation(len(asked))[: 2 * plan.n_queries]]
        best = exact_search(vectors, drawn, plan.k).item_index
        half = (len(drawn) + 1) // 2
        measured = slice(half, None) if half < len(drawn) else slice(None)
        kinds = _kinds(len(vectors), plan)
        for kind in kinds:
            made = cls(_filled(vectors, kind, centres), kind, 0.0, 0)
            depth = made.spare * max(plan.k, plan.depth)
            n_probe = _tuned(made._index, drawn[:half], best[:half], recall=plan.recall, depth=depth)
            if n_probe is not None:
                made._index.nprobe = made.n_probe = n_probe
                made.recall = _recall(made._index.search(drawn[measured], depth)[1], best[measured])
                return made
        raise ConfigError(
            f"looking through every list finds fewer than {plan.recall:.1%} of the best items; lower recall, or "
            "raise quantise_from to keep whole numbers"
        )

    @property
    def spare(self) -> int:
        """How many times as many should be searched for as are kept; whole numbers must tell which. 1: no more."""
        return _SPARE_FINDS if self.kind == "product_quantised" else 1

    def search(self, queries: Floats, k: int) -> Nearest:
        """The k best items of each query.

        Args:
            queries: (n, d), finite.
            k: Length of the lists, >= 1.

        Raises:
            DataError: The queries have another length than the items' vectors, or are no finite numbers.
            ConfigError: k is below 1.
        """
        if k < 1:
            raise ConfigError(f"k == {k}, must be >= 1")
        asked = _checked(queries, "queries")
        if asked.shape[1] != self.dimension:
            raise DataError(f"queries have {asked.shape[1]} numbers, the items' vectors {self.dimension}")
        score, item_index = self._index.search(asked, k)
        return Nearest(item_index, np.where(item_index < 0, -np.inf, score).astype(np.float32))

    def candidates(
        self, query: Floats, n: int, vectors: Floats, rows: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.int64]:
        """Up to n of the best rows for one query, of more finds the best by whole numbers.

        Args:
            query: (d,).
            n: How many are wanted, >= 1.
            vectors: (m, d) whole numbers.
            rows: (n_items,) which of them it was built from, in order; None: all.

        Returns:
            (at most n,) int64 rows of ``vectors``, all different, in any order.
        """
        found = self.search(query[np.newaxis], min(n * self.spare, self.n_items)).item_index[0]
        found = found[found >= 0]
        found = found if rows is None else rows[found]
        if len(found) <= n:
            return found
        return found[np.argpartition(-(vectors[found] @ query), n - 1)[:n]]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What an artifact stores: ``index`` (bytes of faiss's own format), and what was measured."""
        import faiss

        return {
            "index": faiss.serialize_index(self._index),
            "kind": np.array(self.kind),
            "recall": np.array(self.recall),
            "n_probe": np.array(self.n_probe),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> VectorIndex:
        """What ``arrays`` gave.

        Raises:
            KeyError: One is missing.
            ValueError: They hold no index.
        """
        import faiss

        kind, n_probe = str(arrays["kind"]), int(arrays["n_probe"])
        if kind not in get_args(Kind):
            raise ValueError(f"an index of kind {kind!r}, must be one of {', '.join(get_args(Kind))}")
        try:
            index = faiss.deserialize_index(arrays["index"])
        except RuntimeError as error:
            raise ValueError(f"no vector index ({str(error).splitlines()[0]})") from error
        if n_probe:
            index.nprobe = n_probe
        return cls(index, cast("Kind", kind), float(arrays["recall"]), n_probe)


def exact_search(vectors: Floats, queries: Floats, k: int) -> Nearest:
    """The k best items of each query by comparing with all, in bounded memory.

    Args:
        vectors: (n, d) of the items.
        queries: (m, d).
        k: Length of the lists, >= 1.
    """
    import faiss

    score = np.empty((len(queries), k), np.float32)
    item_index = np.empty((len(queries), k), np.int64)
    parts = range(0, len(queries), _EXACT_ROWS)
    for number, start in enumerate(parts):
        part = slice(start, start + _EXACT_ROWS)
        score[part], item_index[part] = faiss.knn(queries[part], vectors, k, metric=faiss.METRIC_INNER_PRODUCT)
        if len(parts) > 1:
            report("exact search", number + 1, len(parts))
    return Nearest(item_index, np.where(item_index < 0, -np.inf, score).astype(np.float32))


def n_lists(n_items: int) -> int:
    """Lists for as many items: about 4 sqrt(n), a power of two (faiss's guidelines for choosing an index).

    Fewer where there are not enough items to learn so many centres from.

    >>> n_lists(1_000_000), n_lists(10_000_000)
    (4096, 16384)
    """
    enough = min(4 * math.sqrt(n_items), n_items / _FEWEST_PER_LIST)
    return int(min(_MOST_LISTS, 2 ** max(round(math.log2(enough)), 0)))


def _kinds(n_items: int, plan: IndexPlan) -> tuple[Kind, ...]:
    """Of inverted indexes, the first that reaches the recall is taken."""
    if n_items < plan.quantise_from:
        return ("inverted",)
    return ("product_quantised", "quantised") if plan.depth >= _MANY_FINDS * plan.k else ("quantised",)


def _centres(vectors: Floats, rng: np.random.Generator) -> Any:
    """Around which lists are made, learned from a sample."""
    import faiss

    n, d = vectors.shape
    lists = n_lists(n)
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(d), d, lists, faiss.METRIC_INNER_PRODUCT)
    sample = rng.choice(n, min(n, lists * _PER_LIST), replace=False)
    report("index", 0, 1, f"{lists:,} lists from {len(sample):,} of {n:,} items")
    index.train(vectors[np.sort(sample)])
    centres = faiss.IndexFlatIP(d)
    centres.add(index.quantizer.reconstruct_n(0, lists))
    report("index", 1, 1)
    return centres


def _filled(vectors: Floats, kind: Kind, centres: Any) -> Any:
    import faiss

    d, lists, product = vectors.shape[1], centres.ntotal, faiss.METRIC_INNER_PRODUCT
    if kind == "quantised":
        index = faiss.IndexIVFScalarQuantizer(centres, d, lists, faiss.ScalarQuantizer.QT_8bit, product)
    elif kind == "product_quantised":
        index = faiss.IndexIVFPQFastScan(centres, d, lists, d, 4, product)
        index.by_residual = True
    else:
        index = faiss.IndexIVFFlat(centres, d, lists, product)
    index.train(vectors[:: max(len(vectors) // (lists * _PER_LIST), 1)])
    for start in range(0, len(vectors), _AT_ONCE):
        index.add(vectors[start : start + _AT_ONCE])
        report("items into lists", min(start + _AT_ONCE, len(vectors)), len(vectors), kind.replace("_", "-"))
    return index


def _tuned(index: Any, queries: Floats, best: npt.NDArray[np.int64], *, recall: float, depth: int) -> int | None:
    """The fewest lists, doubled from 1 and then halved in between, that reach the recall; None: all of them do not."""
    low, high = 0, 1
    while _share(index, high, queries, best, depth) < recall:
        if high == index.nlist:
            return None
        low, high = high, min(2 * high, index.nlist)
    while high - low > max(1, high // 16):
        middle = (low + high) // 2
        low, high = (low, middle) if _share(index, middle, queries, best, depth) >= recall else (middle, high)
    return high


def _share(index: Any, n_probe: int, queries: Floats, best: npt.NDArray[np.int64], depth: int) -> float:
    index.nprobe = n_probe
    return _recall(index.search(queries, depth)[1], best)


def _recall(found: npt.NDArray[np.int64], best: npt.NDArray[np.int64]) -> float:
    hits = sum(int(np.isin(truth[truth >= 0], row).sum()) for row, truth in zip(found, best, strict=True))
    return hits / max(int((best >= 0).sum()), 1)


def _checked(vectors: Floats, name: str) -> Floats:
    found = np.ascontiguousarray(vectors, np.float32)
    if found.ndim != 2 or not found.size:
        raise DataError(f"{name} have shape {found.shape}, must be (n, d) with at least one")
    if not np.isfinite(found).all():
        raise DataError(f"{name} hold NaN or infinite numbers; they must be finite")
    return found
