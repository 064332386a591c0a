"""The leaderboard: what people read, and what programs read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluation.randomisation import randomisation_test
from experiments.inference.multiplicity import holm
from tests.leaderboard_page import FACTS, TRIO, leaderboard
from tests.page_outline import PageOutline
from wrappers.leaderboard import Leaderboard


@pytest.fixture(scope="module")
def board() -> Leaderboard:
    return leaderboard()


@pytest.fixture(scope="module")
def page(board: Leaderboard) -> PageOutline:
    return PageOutline(board.page(FACTS))


def test_pvalues_are_corrected_for_all_pairs(board: Leaderboard) -> None:
    values = {one.name: one.evaluation.per_user["ndcg"] for one in board.contestants}
    raw = [
        randomisation_test(values[first], values[second], seed=0).pvalue
        for first, second in (("popularity", "item_knn"), ("popularity", "ease"), ("item_knn", "ease"))
    ]
    assert [pair.difference.pvalue for pair in board.pairs] == raw
    assert [pair.corrected for pair in board.pairs] == holm(raw).tolist()
    assert max(raw) < 0.01


def test_programs_read_pairs_and_segments(board: Leaderboard) -> None:
    pair = board._pair(board.pairs[0])
    assert (pair["candidate"], pair["baseline"], pair["status"]) == ("popularity", "item_knn", "ok")
    assert pair["effect_size"] < 0 < pair["pvalue"] < pair["pvalue_holm"]


def test_the_page_shows_everything_there_is(page: PageOutline) -> None:
    for heading in (
        "Figures",
        "Models by metric",
        "Curves",
        "Beyond accuracy",
        "Segments",
        "Models against each other",
    ):
        assert heading in page.text
    for name in TRIO:
        assert page.text.count(name) >= 6
    for title in ("diversity", "novelty", "serendipity", "Gini", "lift over profile", "AUC", "AP"):
        assert title in page.text
    # No model here gives probabilities or foretells ratings.
    assert "ECE" not in page.text
    assert "RMSE" not in page.text
    assert "corrected for all 3 pairs (Holm)" in page.text
    assert "minus popularity" in page.text
    assert "1 more pair\n" in page.text
    assert "Drama" in page.text
    assert "nan" not in page.text


def test_darker_is_better_and_the_best_is_bold(board: Leaderboard) -> None:
    html = board.page(FACTS)
    shades = [float(part.split(")")[0]) for part in html.split("rgba(0, 114, 178, ")[1:]]
    assert max(shades) == 0.45
    assert min(shades) >= 0
    best = max(board.contestants, key=lambda one: np.nanmean(one.evaluation.per_user["ndcg"]))
    assert f'class="best">{np.nanmean(best.evaluation.per_user["ndcg"]):.3f}' in html


def test_figures_from_before_have_no_details_and_still_a_place(board: Leaderboard) -> None:
    old, *others = board.contestants
    before = replace(old, evaluation=replace(old.evaluation, details=None))
    page = PageOutline(replace(board, contestants=[before, *others]).page(FACTS))
    assert "Beyond accuracy" in page.text
    alone = PageOutline(replace(board, contestants=[before]).page(FACTS))
    assert "Beyond accuracy" not in alone.text
    assert "Models against each other" not in alone.text


def test_the_same_board_gives_the_same_page(board: Leaderboard) -> None:
    assert board.page(FACTS) == board.page(FACTS)
