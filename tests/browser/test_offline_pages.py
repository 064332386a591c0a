"""Leaderboard, one model's report and cross-validation in a real browser, on a desktop and on a phone."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.fold_report import folds_html
from evaluation.report import EvaluatedModel, evaluation_html
from tests.browser.chromium import Browser
from tests.leaderboard_page import FACTS, leaderboard

DESKTOP, PHONE = 1280, 390


def of_one_model() -> str:
    one = leaderboard().contestants[2]
    model = EvaluatedModel(one.name, one.evaluation.summaries, one.evaluation.coverage, details=one.evaluation.details)
    return evaluation_html([model], k=5, facts=FACTS)


def of_folds() -> str:
    values = np.random.default_rng(0).random((3, 5))
    models = ("ease", "item_knn", "recommender_" * 6)
    return folds_html({"ndcg_at_10": dict(zip(models, values, strict=True))}, primary="ndcg_at_10", n_folds=5)


#: Page to its number of charts: six metrics, three curves and two differences on the leaderboard.
PAGES = {
    "leaderboard": (lambda: leaderboard().page(FACTS), 11),
    "report": (of_one_model, 3),
    "folds": (of_folds, 1),
}


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_and_charts_keep_their_size(browser: Browser, name: str, width: int) -> None:
    make, n_charts = PAGES[name]
    measured = browser.measure(make(), width=width)
    assert measured["width"] == width
    assert measured["scroll_width"] <= width
    assert measured["outside"] == []
    assert len(measured["charts"]) == n_charts
    assert all(0.95 < scale <= 1.05 for scale in measured["charts"])
    assert measured["smallest_letters"] >= 12


def test_long_names_do_not_widen_a_phone(browser: Browser) -> None:
    long = leaderboard(prefix="recommender_of_the_late_afternoon_" * 3)
    measured = browser.measure(long.page(FACTS), width=PHONE)
    assert measured["scroll_width"] <= PHONE
    assert measured["outside"] == []


def test_a_picture_of_the_leaderboard(browser: Browser) -> None:
    picture = browser.screenshot(leaderboard().page(FACTS), width=PHONE, height=844)
    # An empty page of this size compresses to a few kilobytes.
    assert len(picture) > 15_000
