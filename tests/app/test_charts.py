import json

import pytest

from app.charts import chart_description, interval_chart, look_rows, step_bands
from app.results import looks_of
from experiments.report_charts import drawable
from serving.result_documents import look_document
from tests.rollout_examples import EXAMPLES, not_begun, promoted, running


def test_rows_are_the_looks_in_points() -> None:
    looks = promoted().looks
    rows = look_rows(looks, "en")

    assert len(rows) == len(looks) - 1, "the watch has no interval"
    last = looks[-2]
    assert rows.iloc[-1][["sessions", "effect", "lower", "upper"]].tolist() == pytest.approx(
        [last.sessions, 100 * last.effect_size, 100 * last.ci_lower, 100 * last.ci_upper]
    )
    assert rows.iloc[-1]["shown_decision"] == "promote (clicked more often)"
    assert rows["step"].unique().tolist() == ["5 %", "25 %", "50 %"]


def test_the_steps_follow_each_other_without_a_gap() -> None:
    bands = step_bands(promoted().looks, "en")
    assert bands[["start", "end", "step"]].to_numpy().tolist() == [
        [0, 4000, "5 %"],
        [4000, 10000, "25 %"],
        [10000, 17000, "50 %"],
    ]
    assert bands["odd"].tolist() == [False, True, False]


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_rollout_can_be_drawn(name: str, language: str) -> None:
    result = EXAMPLES[name]()
    chart = interval_chart(result.looks, result.decision, language)
    if not drawable(result.looks):
        assert chart is None
        assert chart_description(result.looks, language) == ""
        return
    assert chart is not None
    document = chart.to_dict()
    marks = [layer["mark"]["type"] for layer in document["layer"]]
    assert marks == ["rect", "text", "area", "line", "line", "rule", "line", "point", "rule", "point", "text"]
    assert {layer["encoding"]["y"]["title"] for layer in document["layer"] if "y" in layer["encoding"]} == {
        document["layer"][2]["encoding"]["y"]["title"]
    }
    low, high = document["layer"][2]["encoding"]["y"]["scale"]["domain"]
    assert low < 0 < high
    assert "NaN" not in json.dumps(document)


def test_the_end_carries_the_decision() -> None:
    def word_of(decision: str) -> object:
        chart = interval_chart(running().looks, decision, "ko")
        assert chart is not None
        data = chart.to_dict()["datasets"]
        return [rows[0]["word"] for rows in data.values() if "word" in rows[0]]

    assert word_of("continue") == ["계속"]
    assert word_of("promote") == ["승격"]


def test_looks_come_back_from_json_as_they_were() -> None:
    looks = promoted().looks
    back = looks_of(json.loads(json.dumps([look_document(look) for look in looks])))
    assert [look_document(look) for look in back] == [look_document(look) for look in looks]
    assert back[:-1] == list(looks[:-1])
    assert looks_of([]) == list(not_begun().looks)
