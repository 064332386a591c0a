import numpy as np
import pandas as pd

from core.ids import IdIndex
from core.interactions import Interactions, to_csr


def ratings(rows: list[tuple[int, int, float]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "rating"])
    return frame.assign(timestamp=np.arange(len(frame)))


def test_take_keeps_order_and_items() -> None:
    data = Interactions(ratings([(1, 10, 3.0), (2, 20, 4.0), (3, 30, 5.0)]))

    taken = data.take(np.array([2, 0]))

    assert taken.ratings["user_id"].tolist() == [3, 1]
    assert taken.items is data.items
    assert len(taken) == 2


def test_matrix_holds_known_pairs_only() -> None:
    frame = ratings([(1, 10, 3.0), (1, 99, 4.0), (7, 10, 2.0), (2, 20, 1.5)])

    matrix = to_csr(frame, IdIndex([1, 2]), IdIndex([10, 20]), binary=False)

    assert matrix.toarray().tolist() == [[3.0, 0.0], [0.0, 1.5]]


def test_a_pair_rated_twice_counts_once() -> None:
    frame = ratings([(1, 10, 3.0), (1, 20, 2.0), (1, 10, 5.0)])
    users, items = IdIndex([1]), IdIndex([10, 20])

    assert to_csr(frame, users, items).toarray().tolist() == [[1.0, 1.0]]
    assert to_csr(frame, users, items, binary=False).toarray().tolist() == [[5.0, 2.0]]


def test_empty_ratings_give_an_empty_matrix() -> None:
    assert to_csr(ratings([]), IdIndex([1]), IdIndex([10])).nnz == 0
