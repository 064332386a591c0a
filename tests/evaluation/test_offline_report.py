from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from evaluation.charts import WIDTH, difference_chart, metric_chart
from evaluation.gate import gate
from evaluation.report import EvaluatedModel, evaluation_html
from evaluation.summary import MetricSummary, summarise

NAN = float("nan")
EVIL = "<script>alert(1)</script>"
SUMMARIES = {
    "popularity": MetricSummary(0.21, 0.19, 0.23, 600, "ok"),
    "ease": MetricSummary(0.33, 0.31, 0.35, 600, "ok"),
    EVIL: MetricSummary(0.10, NAN, NAN, 600, "no_variance"),
    "nobody": MetricSummary(NAN, NAN, NAN, 0, "no_units"),
}


def _texts(svg: str) -> list[str]:
    """What a reader of the drawing can read; parsing it proves that it is well-formed."""
    return ["".join(node.itertext()) for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def _fetches(markup: str) -> list[str]:
    """Whatever a browser would load: addresses in attributes or style sheets."""
    found = re.findall(r"(?:src|href|srcset)\s*=\s*[\"']?[^#\"' >]+|@import[^;]+|url\((?!#)[^)]*\)", markup)
    return [*found, *re.findall(r"<(?:script|link|iframe|img|object)\b", markup)]


def test_the_metric_chart_names_every_model_that_has_a_mean_best_first() -> None:
    texts = _texts(metric_chart(SUMMARIES, metric="ndcg@10", champion="popularity"))
    assert {"popularity · 0.210", "ease · 0.330", f"{EVIL} · 0.100", "ndcg@10"} <= set(texts)
    assert not any("nobody" in text for text in texts)


def test_charts_fit_a_phone_and_fetch_nothing() -> None:
    difference = np.random.default_rng(0).normal(0, 1, 200)
    for svg in (
        metric_chart(SUMMARIES, metric="ndcg@10"),
        difference_chart(difference, candidate="ease", baseline="popularity", metric="ndcg@10"),
    ):
        assert float(ElementTree.fromstring(svg).attrib["width"]) <= WIDTH
        assert _fetches(svg) == []
        assert "<script" not in svg


def test_the_difference_chart_says_for_how_many_users() -> None:
    svg = difference_chart(
        np.array([0.5, 0.1, 0.0, -0.2, NAN]), candidate="ease", baseline="popularity", metric="mrr@5"
    )
    texts = _texts(svg)
    assert "ease against popularity:better for 50%, equal for 25%, worse for 25%" in texts
    assert "difference in mrr@5 per user" in texts


def test_identical_models_have_a_chart_too() -> None:
    assert "equal for 100%" in difference_chart(np.zeros(5), candidate="a", baseline="b", metric="ndcg@10")


def test_nothing_to_draw_is_an_empty_text() -> None:
    assert metric_chart({"nobody": SUMMARIES["nobody"]}, metric="ndcg@10") == ""
    assert difference_chart(np.array([NAN]), candidate="a", baseline="b", metric="ndcg@10") == ""


def _evaluated(seed: int, name: str, gain: float, role: str = "") -> tuple[EvaluatedModel, np.ndarray]:
    rng = np.random.default_rng(seed)
    ndcg = np.clip(np.random.default_rng(0).beta(1, 3, 300) + gain + rng.normal(0, 0.02, 300), 0, 1)
    figures = summarise({"ndcg": ndcg, "recall": ndcg / 2}, seed=0)
    return EvaluatedModel(name, figures, 0.5, role), ndcg


@pytest.fixture(scope="module")
def page() -> str:
    champion, baseline = _evaluated(1, "popularity", 0.0, "champion")
    challenger, better = _evaluated(2, "ease", 0.1)
    evil, same = _evaluated(3, EVIL, 0.0)
    verdict = gate({"ease": better, EVIL: same}, baseline, 0.01, champion_name="popularity")
    differences = {"ease": better - baseline, EVIL: np.full(3, NAN)}
    return evaluation_html(
        [champion, challenger, evil], k=10, verdict=verdict, differences=differences, facts={"Data": EVIL}
    )


def test_the_page_stands_alone_and_escapes_every_text(page: str) -> None:
    assert page.startswith("<!doctype html>")
    assert _fetches(page) == []
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4


def test_the_page_shows_verdict_figures_and_charts_best_first(page: str) -> None:
    assert "ease may challenge popularity." in page
    assert "97.50 % (Bonferroni)" in page
    names = re.findall(r'<th scope="row">([^<]+)', page)
    assert names[0] == "ease"
    assert page.count("<svg") == 3
    assert "no user is judged under both models" in page
    assert "The champion is the diamond." in page


def test_a_page_of_one_model_without_verdict() -> None:
    model, _ = _evaluated(1, "ease", 0.1)
    page = evaluation_html([model], k=5)
    assert "ndcg@5" in page
    assert "may challenge" not in page
    assert "diamond" not in page


def test_a_model_that_nobody_can_judge() -> None:
    model = EvaluatedModel("ease", {"ndcg": SUMMARIES["nobody"]}, NAN)
    page = evaluation_html([model], k=5)
    assert "no user to judge by" in page
    assert "nan" not in page
    assert "<svg" not in page


def test_models_must_have_the_same_metrics() -> None:
    one, _ = _evaluated(1, "ease", 0.1)
    other = EvaluatedModel("popularity", {"ndcg": SUMMARIES["ease"]}, 0.1)
    for models in ([], [one, other]):
        with pytest.raises(ValueError, match="the same metrics, 'ndcg' among them"):
            evaluation_html(models, k=5)


def test_pages_and_charts_are_the_same_every_time(page: str) -> None:
    drawn = [metric_chart(SUMMARIES, metric="ndcg@10") for _ in range(2)]
    assert drawn[0] == drawn[1]
