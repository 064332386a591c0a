"""Drawings of curves, folds and calibration as a reader meets them."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from scipy import sparse

from evaluation.calibration import Calibration, Foretold, calibration
from evaluation.charts import WIDTH, box_chart
from evaluation.curve_charts import MAX_LINES, calibration_chart, lift_chart, precision_recall_chart, roc_chart
from evaluation.full_ranks import full_ranks
from evaluation.ranking_curves import RankingCurves, ranking_curves

DRAW = (roc_chart, precision_recall_chart, lift_chart)
EVIL = "<script>1</script>"


def curves(seed: int, skill: float) -> RankingCurves:
    rng = np.random.default_rng(seed)
    relevant = rng.random((50, 100)) < 0.1
    scores = rng.random((50, 100)) + skill * relevant
    return ranking_curves(full_ranks(scores, sparse.csr_array(relevant * 1.0), np.full(50, 100)))


def told(seed: int) -> Calibration:
    p = np.random.default_rng(seed).random(500)
    return calibration(Foretold.of(np.random.default_rng(seed + 1).random(500) < p, p))


def texts(svg: str) -> list[str]:
    """What a reader can read; parsing it proves that it is well-formed."""
    return ["".join(node.itertext()) for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("draw", DRAW)
def test_each_model_has_a_line_and_its_figure(draw) -> None:
    svg = draw({"ease": curves(0, 1.0), EVIL: curves(1, 0.0)})
    names = texts(svg)
    assert sum(name.startswith("ease · ") for name in names) == 1
    assert sum(name.startswith(f"{EVIL} · ") for name in names) == 1
    assert "<script" not in svg
    assert float(ElementTree.fromstring(svg).attrib["width"]) <= WIDTH


def test_the_figures_in_the_names() -> None:
    one = curves(0, 1.0)
    assert f"ease · AUC {np.nanmean(one.auc):.3f}" in texts(roc_chart({"ease": one}))
    assert f"ease · AP {np.nanmean(one.average_precision):.3f}" in texts(precision_recall_chart({"ease": one}))
    assert f"ease · ECE {told(0).ece:.3f}" in texts(calibration_chart({"ease": told(0)}))


def test_as_many_lines_as_can_be_told_apart() -> None:
    svg = roc_chart({f"model {number}": curves(number, 0.1 * number) for number in range(MAX_LINES)})
    assert sum(name.startswith("model ") for name in texts(svg)) == MAX_LINES
    nodes = list(ElementTree.fromstring(svg).iter())
    patterns = {
        (node.attrib.get("stroke"), node.attrib["stroke-dasharray"])
        for node in nodes
        if "stroke-dasharray" in node.attrib
    }
    assert len(patterns) >= MAX_LINES


def test_boxes_are_ordered_by_median() -> None:
    svg = box_chart(
        {"low": np.array([0.1, 0.2, 0.3]), "high": np.array([0.5, np.nan, 0.7]), "none": np.array([np.nan])},
        metric="ndcg@10",
    )
    names = texts(svg)
    assert "high · median 0.600 of 2" in names
    assert "low · median 0.200 of 3" in names
    assert not any(name.startswith("none") for name in names)


def test_nothing_to_draw_is_an_empty_text() -> None:
    nobody = ranking_curves(full_ranks(np.empty((0, 3)), sparse.csr_array((0, 3)), np.empty(0, np.int64)))
    assert [draw({"nobody": nobody}) for draw in DRAW] == ["", "", ""]
    assert [draw({}) for draw in DRAW] == ["", "", ""]
    assert calibration_chart({"nobody": calibration(Foretold.of([], []))}) == ""
    assert box_chart({}, metric="ndcg") == ""
