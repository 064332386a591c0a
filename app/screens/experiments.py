"""The experiments: the verdict in a sentence, what it rests on, and how the interval narrowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.blocks import (
    figures_block,
    heading,
    progress_block,
    said_block,
    table_block,
    trouble_block,
    verdict_block,
)
from app.charts import chart_description, interval_chart
from app.client import PolicyServer
from app.live import screen
from app.results import looks_of
from app.words import word
from experiments.figures import Language, count, share
from experiments.report_tables import look_table
from experiments.words import label, looks_text


def show(language: Language) -> None:
    """Draw the screen."""
    screen("experiments", _draw, language)


def _draw(policy: PolicyServer, language: Language) -> bool:
    known = policy.experiments()
    if not known:
        title, hint = word(language, "trouble.none"), word(language, "trouble.none.hint")
        st.html(trouble_block(language, title, hint))
        return True
    name = known[0]["experiment"]
    if len(known) > 1:
        # A key, and names alone: a label that changes while its experiment runs would undo the reader's choice.
        names = [found["experiment"] for found in known]
        name = st.selectbox(word(language, "experiment"), names, key="experiment")
    found = policy.experiment(name)
    _verdict(found, language)
    _interval(found, language)
    _story(found, language)
    return bool(found["state"] != "done")


def _verdict(found: Mapping[str, Any], language: Language) -> None:
    running, words = found["state"] != "done", found["words"][language]
    facts = {
        "sessions": count(found["sessions"]),
        "planned": count(found["sessions_planned"]),
        "looks": looks_text(len(found["looks"]), language),
    }
    eyebrow = [found["experiment"], word(language, "so_far" if running else "decided", **facts)]
    if running:
        eyebrow.insert(0, f"● {word(language, 'live')}")
    kind, said = found["decision"], found["verdict"][language]
    st.html(verdict_block(language, kind, " · ".join(eyebrow), said, words["outcome"], words["drill"]))
    if running:
        st.html(progress_block(found["sessions"], found["sessions_planned"]))
    if words["figures"]:
        st.html(figures_block(language, words["figures"]))


def _interval(found: Mapping[str, Any], language: Language) -> None:
    level = share(1 - found["spec"]["analysis"]["alpha"], language)
    looks = looks_of(found["looks"])
    st.html(heading(language, label(language, "interval_chart"), label(language, "interval_chart.lead", level=level)))
    chart = interval_chart(looks, found["decision"], language)
    if chart is None:
        st.html(trouble_block(language, label(language, "nothing_to_draw"), ""))
        return
    with st.container(border=True, key="interval"):
        st.altair_chart(chart, width="stretch", theme=None, alt=chart_description(looks, language))


def _story(found: Mapping[str, Any], language: Language) -> None:
    words = found["words"][language]
    left, right = st.columns(2)
    with left:
        if words["why"]:
            st.html(said_block(language, label(language, "why"), words["why"]))
        if words["steps"]:
            st.html(said_block(language, label(language, "step_chart"), words["steps"]))
    with right:
        st.html(said_block(language, label(language, "means"), words["means"]))
        st.html(said_block(language, label(language, "limits"), words["limits"]))
    looks = looks_of(found["looks"])
    if looks:
        with st.expander(f"{label(language, 'all_looks')} ({len(looks)})"):
            st.html(heading(language, "", label(language, "all_looks.lead")))
            st.html(table_block(language, look_table(looks, language), label(language, "all_looks")))
