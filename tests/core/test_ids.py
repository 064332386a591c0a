import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ids import UNKNOWN, IdIndex


def test_order_is_kept_and_unknown_is_minus_one() -> None:
    index = IdIndex([30, 10, 20])

    assert index.index_of([10, 20, 30, 40]).tolist() == [1, 2, 0, UNKNOWN]


def test_integer_ids_are_found_as_text_too() -> None:
    index = IdIndex.of([5, 7])

    assert index.index_of(["7", "x", "", "5.0", "9" * 40, "-5"]).tolist() == [1, -1, -1, -1, -1, -1]


def test_text_ids() -> None:
    index = IdIndex.of(["bob", "Ä", "7"])

    assert index.ids[index.index_of(["Ä", 7, "bob"])].tolist() == ["Ä", "7", "bob"]
    assert index.index_of(["nobody, and longer than any id"]).tolist() == [UNKNOWN]


@pytest.mark.parametrize("ids", [[5, 3, 17, -4, 2**62], ["a", "bb", "17", "é", ""], []])
def test_an_id_alone_is_found_as_among_others(ids: list[int] | list[str]) -> None:
    index = IdIndex(ids)
    for value in (*ids, 17, "17", "-4", "+5", "٣", "²", "aa", "c", "", "9" * 40, -(2**63), 2**70, True, 17.0, None):
        assert index.index_of([value]).tolist() == index.index_of([value, value])[:1].tolist(), value


def test_empty_sets_and_empty_questions() -> None:
    assert IdIndex([]).index_of([1, "a"]).tolist() == [UNKNOWN, UNKNOWN]
    assert IdIndex([1]).index_of([]).tolist() == []


def test_twice_the_same_id_is_refused() -> None:
    with pytest.raises(ValueError, match="distinct"):
        IdIndex([1, 1])


@given(st.lists(st.integers(-(2**60), 2**60), unique=True, min_size=1), st.randoms())
def test_round_trip(ids: list[int], random) -> None:
    random.shuffle(ids)
    index = IdIndex(ids)

    assert np.array_equal(index.index_of(ids), np.arange(len(ids)))
    assert np.array_equal(index.index_of([str(i) for i in ids]), index.index_of(ids))
