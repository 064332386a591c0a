"""Prompts in a real MLflow registry: versions, aliases, and a run that shows which it used."""

from __future__ import annotations

import json

import pytest

from core.errors import ConfigError, TrackingError
from tracking.client import Tracker
from tracking.prompts import link_to_run, load_prompt, register_prompt, set_prompt_alias
from tracking.registry import list_versions
from tracking.runs import new_run, read_run

FIRST = [{"role": "system", "content": "Rank."}, {"role": "user", "content": "{{shortlist}}"}]
SECOND = [{"role": "system", "content": "Rank well."}, FIRST[1]]


def test_versions_count_up_and_never_change(tracker: Tracker) -> None:
    one, two = (register_prompt(tracker, "films", messages) for messages in (FIRST, SECOND))
    assert [(made.version, made.uri) for made in (one, two)] == [(1, "prompts:/films/1"), (2, "prompts:/films/2")]
    assert load_prompt(tracker, one.uri).messages == tuple(FIRST)
    assert load_prompt(tracker, "prompts:/films@latest") == two


def test_what_is_registered_already_is_not_registered_again(tracker: Tracker) -> None:
    first = register_prompt(tracker, "films", FIRST)
    register_prompt(tracker, "films", SECOND)
    assert register_prompt(tracker, "films", FIRST) == first
    assert load_prompt(tracker, "prompts:/films@latest").version == 2


def test_an_alias_is_resolved_to_the_version_it_points_to_now(tracker: Tracker) -> None:
    one, two = (register_prompt(tracker, "films", messages) for messages in (FIRST, SECOND))
    for version in (one, two, one):
        set_prompt_alias(tracker, version, "best")
        assert load_prompt(tracker, "prompts:/films@best") == version


def test_a_run_shows_the_prompt_it_used(tracker: Tracker) -> None:
    prompt = register_prompt(tracker, "films", FIRST)
    with new_run(tracker, "with a prompt") as run_id:
        link_to_run(tracker, run_id, prompt)
    assert json.loads(read_run(tracker, run_id).tags["mlflow.linkedPrompts"]) == [{"name": "films", "version": "1"}]


def test_prompts_are_no_models(tracker: Tracker) -> None:
    register_prompt(tracker, "films", FIRST)
    assert list_versions(tracker, "recommender") == []


def test_what_is_no_address_is_refused(tracker: Tracker) -> None:
    for uri in ("films", "prompts:/films", "prompts:/films/one", "models:/films/1", "prompts:/a/b@c"):
        with pytest.raises(ConfigError, match=f"prompt '{uri}', must be prompts:/NAME/VERSION or prompts:/NAME@ALIAS"):
            load_prompt(tracker, uri)


def test_what_is_not_there_is_told_in_one_line(tracker: Tracker) -> None:
    register_prompt(tracker, "films", FIRST)
    for uri in ("prompts:/films/9", "prompts:/nothing/1", "prompts:/films@nobody"):
        with pytest.raises(TrackingError, match=f"has no prompt {uri}; register it") as caught:
            load_prompt(tracker, uri)
        assert "\n" not in str(caught.value)


def test_a_prompt_of_one_text_is_refused(tracker: Tracker) -> None:
    tracker.client.register_prompt("plain", "Rank {{shortlist}}")
    with pytest.raises(ConfigError, match="is a single text, must be chat messages"):
        load_prompt(tracker, "prompts:/plain/1")
