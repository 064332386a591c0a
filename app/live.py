"""What every screen does around its own content: find the policy server, tell trouble, draw again while things move."""

from __future__ import annotations

import sys
from collections.abc import Callable

import streamlit as st

from app.blocks import trouble_block
from app.client import PolicyServer, policy_address
from app.words import word
from core.errors import BadInput, ServerError
from experiments.figures import Language

REFRESH_S = 2.0

Draw = Callable[[PolicyServer, Language], bool]
"""Draws a screen; returns whether it may look different soon."""


def screen(name: str, draw: Draw, language: Language) -> None:
    """Draw a screen, and again every ``REFRESH_S`` as long as it is moving or the policy server is down.

    Args:
        name: The screen's own; what it is doing is remembered under it.
        draw: Draws it.
        language: Of the reader.
    """
    key = f"moving.{name}"
    moves = bool(st.session_state.get(key, False))

    def content() -> None:
        moving = _drawn(draw, language)
        if moving != moves:
            # A fragment's interval is fixed: the page is run again to start or to stop the clock.
            st.session_state[key] = moving
            st.rerun()

    st.fragment(content, run_every=REFRESH_S if moves else None)()


def _drawn(draw: Draw, language: Language) -> bool:
    try:
        return draw(PolicyServer(policy_address(sys.argv)), language)
    except ServerError as error:
        hint = word(language, "trouble.down.hint")
        st.html(trouble_block(language, word(language, "trouble.down"), str(error), hint))
        return True
    except BadInput as error:
        st.html(trouble_block(language, word(language, "trouble.refused"), str(error)))
        return False
