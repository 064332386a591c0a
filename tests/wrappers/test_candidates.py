import numpy as np
import pytest

from core.ids import UNKNOWN
from tests.small_interactions import random_interactions
from wrappers import candidates as candidates_module
from wrappers.asked import Asked
from wrappers.candidates import Candidates
from wrappers.ease import Ease
from wrappers.recommender import Recommendations

DEPTH = 5


class Counted(Ease):
    """Counts how often it is asked."""

    asked = 0

    def best(self, asked: Asked) -> Recommendations:
        self.asked += 1
        return super().best(asked)


def of(*users: int, k: int = DEPTH, filter_seen: bool = True) -> Asked:
    nothing = np.empty(0, np.int64)
    return Asked(np.array(users), k, filter_seen, nothing, nothing)


def test_a_user_who_comes_back_gets_the_same_list_without_a_second_search() -> None:
    retriever = Counted().fit(random_interactions())
    candidates = Candidates(retriever, DEPTH)
    for user in (3, UNKNOWN):
        expected = Ease.best(retriever, of(user))
        for _ in range(3):
            for found, right in zip(candidates.best(of(user)), expected, strict=True):
                np.testing.assert_array_equal(found, right)
    assert retriever.asked == 2


def test_another_question_is_not_answered_from_memory() -> None:
    retriever = Counted().fit(random_interactions())
    candidates = Candidates(retriever, DEPTH)
    candidates.best(of(3))
    for asked in (of(3, k=DEPTH + 1), of(3, filter_seen=False), of(3, 4)):
        for found, right in zip(candidates.best(asked), Ease.best(retriever, asked), strict=True):
            np.testing.assert_array_equal(found, right)
    assert retriever.asked == 4


def test_what_is_remembered_cannot_be_changed() -> None:
    candidates = Candidates(Ease().fit(random_interactions()), DEPTH)
    for array in candidates.best(of(3)):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_no_more_is_remembered_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates_module, "_MAX_CANDIDATES", 2 * DEPTH)
    retriever = Counted().fit(random_interactions())
    candidates = Candidates(retriever, DEPTH)
    for user in (1, 2, 3, 3, 2, 1):
        candidates.best(of(user))
    assert retriever.asked == 4
