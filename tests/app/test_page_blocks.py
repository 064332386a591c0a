from typing import Any

import pytest

from app.blocks import (
    figures_block,
    heading,
    lists_block,
    progress_block,
    said_block,
    table_block,
    trouble_block,
    verdict_block,
)
from app.comparison import comparison_text, shared_items, with_roles
from app.words import LANGUAGES, keys, word
from experiments.report_tables import look_table
from tests.page_outline import PageOutline
from tests.rollout_examples import promoted

FILM = {"item_id": 7, "title": 'Kiss <Kiss> "Bang", The (2005)', "score": 1.5, "year": 2005, "genres": ["Comedy"]}


def arm(variant: str, items: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    told = {"variant": variant, "model": "ease", "version": "2", "role": "champion", "cold": False, "features": None}
    return {**told, "items": items, "error": None} | changes


def test_the_languages_have_the_same_words() -> None:
    assert set(LANGUAGES) == {"en", "ko"}
    assert keys("en") == keys("ko")


def test_whatever_comes_from_outside_is_escaped() -> None:
    bad = "<script>alert(1)</script>"
    pages = [
        verdict_block("en", "promote", bad, bad, bad, bad),
        figures_block("en", [{"title": bad, "value": bad, "note": bad}]),
        heading("en", bad, bad),
        said_block("en", bad, [bad]),
        trouble_block("en", bad, bad, bad),
        lists_block("en", [arm("champion", [{**FILM, "title": bad, "reason": bad}], model=bad)], set()),
        table_block("en", look_table(promoted().looks, "en"), bad),
    ]
    for page in pages:
        outline = PageOutline(page)
        assert outline.count("script") == 0
        assert bad in outline.text or bad in "".join(outline.attributes("aria-label"))


def test_lists_are_covers_with_words_for_who_cannot_see_them() -> None:
    page = PageOutline(lists_block("en", [arm("champion", [FILM]), arm("challenger", [], role="previous")], {7}))
    assert page.attributes("alt") == ['rank 1: The Kiss <Kiss> "Bang", 2005, Comedy']
    assert page.attributes("src")[0].startswith("data:image/svg+xml;base64,")
    assert page.texts == ["champion", "ease v2", "1", "◆", "previous champion", "ease v2", "An empty list."]


def test_the_reason_stands_below_the_cover() -> None:
    film = {**FILM, "reason": "Because you rated Heat (1995)", "confidence": 0.5}
    assert PageOutline(lists_block("en", [arm("champion", [film])], set())).texts[2:] == ["1", film["reason"]]


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"error": "model server is down"}, "This model's server does not answer."),
        ({"cold": True}, word("en", "cold")),
        ({"features": "store"}, word("en", "features.store")),
        ({"features": "default"}, word("en", "features.default")),
        ({"features": "partial"}, word("en", "features.partial")),
        ({"features": "training"}, word("en", "features.training")),
    ],
)
def test_what_is_special_about_a_list_is_said(changes: dict[str, Any], note: str) -> None:
    assert note in PageOutline(lists_block("en", [arm("champion", [FILM], **changes)], set())).texts


def test_a_bar_never_leaves_its_track() -> None:
    assert [progress_block(*pair).count("width:100.0%") for pair in ((5, 5), (9, 5))] == [1, 1]
    assert "width:0.0%" in progress_block(0, 0)


def test_commands_are_shown_as_code() -> None:
    assert "<code>make up</code>" in trouble_block("en", "t", "r", "Start it with `make up`.")


def test_what_lists_have_in_common() -> None:
    films = [{**FILM, "item_id": number} for number in range(4)]
    both = [arm("champion", films[:3]), arm("challenger", films[1:])]
    assert shared_items(both) == {1, 2}
    assert comparison_text(both, 3, "en") == "2 of 3 films are in both lists; they are marked ◆."
    apart = [arm("champion", films[:2]), arm("challenger", films[2:])]
    assert (shared_items(apart), comparison_text(apart, 2, "en")) == (set(), "No film is in both lists.")
    assert (shared_items(both[:1]), comparison_text(both[:1], 3, "en")) == (set(), word("en", "one_arm"))
    down = [both[0], {**both[1], "error": "down", "items": []}]
    assert (shared_items(down), comparison_text(down, 3, "en")) == (set(), "")


def test_after_a_promotion_the_former_champion_is_called_so() -> None:
    arms = [{"variant": "champion", "version": "2"}, {"variant": "challenger", "version": "1"}]
    won = {"state": "done", "decision": "promote", "champion": {"version": "1"}}
    assert [one["role"] for one in with_roles(arms, [won])] == ["champion", "previous"]
    for other in ({**won, "state": "running"}, {**won, "decision": "rollback"}, {**won, "champion": {"version": "3"}}):
        assert [one["role"] for one in with_roles(arms, [other])] == ["champion", "challenger"]
