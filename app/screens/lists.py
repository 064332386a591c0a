"""The lists of every variant for one user, side by side, each film as a cover drawn by its genres."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.blocks import heading, lists_block, trouble_block
from app.client import PolicyServer
from app.comparison import comparison_text, shared_items, with_roles
from app.live import screen
from app.words import word
from experiments.figures import Language

K = 10


def show(language: Language) -> None:
    """Draw the screen."""
    screen("lists", _draw, language)


def _draw(policy: PolicyServer, language: Language) -> bool:
    st.html(heading(language, word(language, "lists.title"), word(language, "lists.lead"), level=1))
    experiments = policy.experiments()
    user_id = _chosen_user(policy, experiments, language)
    if not user_id:
        st.html(trouble_block(language, word(language, "trouble.user"), word(language, "trouble.user.hint")))
        return False
    found = policy.preview(user_id, K, language)
    arms = with_roles(found["variants"], experiments)
    st.html(heading(language, "", comparison_text(arms, K, language)))
    st.html(lists_block(language, arms, shared_items(arms)))
    return any(arm["error"] for arm in arms)


def _chosen_user(policy: PolicyServer, experiments: list[dict[str, Any]], language: Language) -> str | None:
    users = policy.users(experiments[0]["experiment"]) if experiments else []
    # The users seen last change from moment to moment; who was chosen stays on the list.
    chosen = st.session_state.get("user")
    options = [*users, *([chosen] if chosen and chosen not in users else [])]
    return st.selectbox(
        word(language, "user"),
        options,
        index=0 if options else None,
        key="user",
        help=word(language, "user.help"),
        accept_new_options=True,
        width=280,
    )
