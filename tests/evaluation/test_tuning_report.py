from __future__ import annotations

from xml.etree import ElementTree

from evaluation.tuning_charts import history_chart, option_chart
from evaluation.tuning_report import TriedModel, tuning_html

EVIL = "<script>alert(1)</script>"
TRIALS = [
    TriedModel("ease", {}, 0.30, "complete"),
    TriedModel("ease", {"reg": 10.0}, 0.25, "complete"),
    TriedModel("ease", {"reg": 3000.0}, 0.28, "pruned"),
    TriedModel("ease", {"reg": 500.0}, 0.32, "complete"),
    TriedModel("knn", {"inner": {"name": EVIL}}, None, "refused"),
]


def page(**changes: object) -> str:
    given = {"metric": "ndcg@10", "best": "ease", "config": {"reg": 500.0}, "value": 0.32, "default_value": 0.3}
    return tuning_html(TRIALS, **(given | changes))


def test_the_page_tells_best_default_and_every_trial() -> None:
    html = page()
    assert "ndcg@10 0.3200 on parts held out of the training ratings, 0.3000 with the defaults; 5 trials" in html
    assert html.count("<tr><td>") == 5
    assert "refused" in html


def test_text_is_escaped() -> None:
    assert EVIL not in page()
    assert EVIL not in page(best=EVIL)


def test_without_a_figure_of_the_defaults_none_is_told() -> None:
    assert "with the defaults" not in page(default_value=None)


def test_the_history_is_drawn_with_its_best_so_far() -> None:
    ElementTree.fromstring(history_chart([(0, "a", 0.1), (1, "b", 0.3), (2, "a", 0.2)], metric="ndcg@10"))
    assert history_chart([], metric="ndcg@10") == ""


def test_an_option_is_drawn_where_it_was_tried_often_enough() -> None:
    ElementTree.fromstring(option_chart([(1, 0.1), (1000, 0.2), (30, 0.3)], option="reg", metric="ndcg@10"))
    ElementTree.fromstring(option_chart([("a", 0.1), ("b", 0.2), ("a", 0.3)], option="kind", metric="ndcg@10"))
    assert option_chart([(1, 0.1), (2, 0.2)], option="reg", metric="ndcg@10") == ""
