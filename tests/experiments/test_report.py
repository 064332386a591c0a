"""The report is one safe, complete page in two languages."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from experiments.decision import REASONS
from experiments.figures import LANGUAGES
from experiments.foretelling import OfflineEvidence
from experiments.foretelling_report import tell_foretelling
from experiments.report import LeaderboardRow, ReportContext, rollout_html
from experiments.report_tables import Tag, guardrail_table, look_table, step_table
from experiments.words import tell
from tests.page_outline import PageOutline
from tests.rollout_examples import (
    CONTEXT,
    EXAMPLES,
    OFFLINE,
    SPEC,
    broke_guardrail,
    broke_watch,
    promoted,
    running,
    with_metrics,
)

ADDRESSES = ("src", "href", "xlink:href", "srcset", "poster", "data", "action", "formaction", "background")


@pytest.fixture(scope="module", params=EXAMPLES)
def page(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Every example's name and page."""
    return request.param, rollout_html(EXAMPLES[request.param](), CONTEXT)


def test_page_is_well_formed_and_complete(page: tuple[str, str]) -> None:
    name, html = page
    outline = PageOutline(html)
    assert html.startswith("<!doctype html>")
    assert outline.count("main") == len(LANGUAGES)
    assert outline.count("h1") == len(LANGUAGES)
    for language in LANGUAGES:
        story = tell(EXAMPLES[name](), SPEC, language)
        for words in (story.outcome, story.sequential, story.bayesian, *story.why, *story.size, *story.steps):
            assert words in outline.text
        for words in (*story.means, *story.limits, *story.method, *([story.drill] if story.drill else [])):
            assert words in outline.text


def test_page_fetches_nothing(page: tuple[str, str]) -> None:
    _, html = page
    outline = PageOutline(html)
    for name in ADDRESSES:
        assert all(value.startswith(("#", "data:")) for value in outline.attributes(name)), name
    assert all(target.strip("'\"").startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))
    assert "@import" not in html
    assert "@font-face" not in html


def test_page_shows_nothing_that_is_no_number(page: tuple[str, str]) -> None:
    text = PageOutline(page[1]).text
    assert not re.search(r"\bnan\b|\bNaN\b|\bNone\b|\binf\b|\bundefined\b|\{\{|\}\}", text)


def test_names_and_labels_point_at_what_exists_once(page: tuple[str, str]) -> None:
    outline = PageOutline(page[1])
    ids = outline.attributes("id")
    assert len(ids) == len(set(ids))
    for name in ("for", "aria-labelledby"):
        assert set(outline.attributes(name)) <= set(ids)
    charts = [
        attributes for tag, attributes in outline.elements if tag == "svg" and "chart" in attributes.get("class", "")
    ]
    assert all(chart["role"] == "img" and chart["aria-labelledby"] for chart in charts)


@pytest.mark.parametrize("name", EXAMPLES)
def test_card_is_toned_by_the_decision(name: str) -> None:
    result = EXAMPLES[name]()
    outline = PageOutline(rollout_html(result, CONTEXT))
    heroes = [attributes["class"] for tag, attributes in outline.elements if tag == "header"]
    assert heroes == [f"hero {result.decision}"] * len(LANGUAGES)


def test_hostile_names_stay_text() -> None:
    hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;{{ 7*7 }}"
    result = replace(promoted(), challenger=hostile, control=hostile + "2", experiment=hostile, champion_after=hostile)
    context = ReportContext(
        spec=SPEC,
        data=hostile,
        leaderboard=(LeaderboardRow(hostile, {hostile: 0.5}, hostile),),
        seconds={hostile: 1.0},
        run_folder=hostile,
        hints=((hostile, hostile),),
        provenance={hostile: hostile},
    )
    html = rollout_html(result, context)
    outline = PageOutline(html)
    assert outline.count("script") == 1
    assert outline.count("img") == 0
    assert "<script>alert" not in html
    assert "onerror" not in " ".join(name for _, attributes in outline.elements for name in attributes)
    assert hostile in outline.text


def test_context_is_shown() -> None:
    text = PageOutline(rollout_html(promoted(), CONTEXT)).text
    for words in (
        CONTEXT.data,
        CONTEXT.run_folder,
        "0.1612",
        "get-data 2.1 s · train-model 11 s · evaluate-model 4.0 s · ab-rollout 65 s · total 2 min 11 s",
        "ab-rollout 65초",
        "0d5c47e",
        *(value for hint in CONTEXT.hints for value in hint),
    ):
        assert words in text


def test_a_bare_context_leaves_no_empty_section() -> None:
    outline = PageOutline(rollout_html(promoted(), ReportContext(spec=SPEC, data="synthetic")))
    assert "Offline comparison" not in outline.text
    assert "foretell" not in outline.text
    assert "Open the rest" not in outline.text
    assert "Run folder" not in outline.text


@pytest.mark.parametrize("name", EXAMPLES)
def test_offline_metrics_stand_beside_the_online_outcome(name: str) -> None:
    html = rollout_html(EXAMPLES[name](), CONTEXT)
    text = PageOutline(html).text
    for language in LANGUAGES:
        story = tell_foretelling(OFFLINE, EXAMPLES[name](), language)
        assert all(words in text for words in (*story.summary, *story.method))
        assert f'id="foretold-wide-{language}"' in html


def test_what_cannot_be_compared_offline_leaves_a_sentence_alone() -> None:
    missing = OfflineEvidence((), missing="no_figures", missing_of="popularity v1")
    html = rollout_html(promoted(), replace(CONTEXT, offline=missing))
    assert "the run of popularity v1 keeps no figures of single users" in html
    assert "foretold-wide" not in html
    assert "challenger won" not in html


def test_an_unmeasured_leaderboard_figure_is_a_dash() -> None:
    context = ReportContext(spec=SPEC, data="", leaderboard=(LeaderboardRow("ease", {"ndcg@10": math.nan}),))
    assert "\n–\n" in PageOutline(rollout_html(promoted(), context)).text


def test_an_invalid_rollout_shows_neither_figures_on_top_nor_the_interval() -> None:
    outline = PageOutline(rollout_html(EXAMPLES["invalid"](), CONTEXT))
    assert "tiles" not in outline.attributes("class")
    assert "How the interval narrowed" not in outline.text


def test_other_metrics_have_a_table_of_their_own_where_the_spec_names_some() -> None:
    plain, seen = promoted(), with_metrics(promoted())
    assert "Other metrics" not in PageOutline(rollout_html(plain, CONTEXT)).text
    text = PageOutline(rollout_html(seen, CONTEXT)).text
    for words in ("Other metrics", "다른 지표", "session_share", "likes", "guardrail, may lose 20 %"):
        assert words in text
    assert "The decision counts a session once" in text


@pytest.mark.parametrize("reason", ["guardrail_worse", "guardrail_unproven", "guardrail_undecided"])
def test_a_reason_names_the_guardrail_metrics_it_is_about(reason: str) -> None:
    seen = with_metrics(running(), likes_lost=0.3 if reason == "guardrail_worse" else 0.15)
    kind = REASONS[reason]
    result = replace(seen, decision=kind, reasons=(reason,))
    for language in LANGUAGES:
        story = tell(result, SPEC, language)
        assert "likes" in story.why[0]
        assert "session_share" not in story.why[0]
    if reason == "guardrail_worse":
        assert "a metric that must not get worse" in " ".join(tell(result, SPEC, "en").means)


def test_every_look_and_step_has_a_row() -> None:
    result = promoted()
    assert len(look_table(result.looks, "en").rows) == len(result.looks) == 18
    rows = step_table(result.steps, "en").rows
    assert [row[0] for row in rows] == ["5 %", "25 %", "50 %", "100 % (Watch)"]
    assert rows[0][1:7] == ("4,000", "31.7 %", "224", "30.1 %", "226", "+1.6 points")
    assert rows[3][4:7] == ("–", "–", "–")
    for table in (look_table(result.looks, "ko"), step_table(result.steps, "ko")):
        assert {len(row) for row in table.rows} == {len(table.head)}


def test_a_broken_guardrail_is_marked_where_it_broke() -> None:
    in_test = guardrail_table(broke_guardrail(), SPEC, "en")
    assert in_test.rows[1] == ("Failed or late answers", "at most 2 %", "7.1 %", Tag("broken", "broken"))
    assert in_test.rows[2][3] == Tag("held", "held")
    in_watch = guardrail_table(broke_watch(), SPEC, "en")
    assert in_watch.rows[1][2:] == ("0.0 %", Tag("held", "held"), "4.8 %", Tag("broken", "broken"))
    assert in_watch.rows[0][4:] == ("–", Tag("not judged", "unjudged"))


def test_few_sessions_above_a_limit_are_not_called_broken() -> None:
    result = promoted()
    looks = (replace(result.looks[0], error_rate=0.05),)
    table = guardrail_table(replace(result, looks=looks), SPEC, "en")
    assert table.rows[1][2:] == ("5.0 %", Tag("not judged", "unjudged"))


def test_the_same_rollout_gives_the_same_page() -> None:
    assert rollout_html(promoted(), CONTEXT) == rollout_html(promoted(), CONTEXT)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_tone_can_be_read_on_its_card(scheme: int) -> None:
    """Contrast of at least 4.5 to 1 (WCAG 2.2, success criterion 1.4.3)."""
    roots = re.findall(r":root \{(.*?)\}", rollout_html(promoted(), CONTEXT), flags=re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", roots[scheme]))
    inks = ("ink", "soft", "challenger", "control", "promote", "rollback", "keep", "invalid", "continue")
    for ink in inks:
        assert _contrast(colours[ink], colours["card"]) >= 4.5, ink
    assert _contrast(colours["soft"], colours["page"]) >= 4.5


def _contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2, definitions)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
