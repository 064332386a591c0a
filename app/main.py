"""The review page's entry: ``streamlit run app/main.py -- --policy http://127.0.0.1:8080``."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import streamlit as st

from app.words import LANGUAGES, word
from experiments.figures import Language

#: The screens there are: address and module, which has ``show(language)``. To add one: its file, a line here (and its
#: name in words.py).
SCREENS = {
    "experiments": "app.screens.experiments",
    "lists": "app.screens.lists",
}

_HERE = Path(__file__).parent


def main() -> None:
    """Draw the page that the address names, in the reader's language."""
    st.set_page_config("Screentest", str(_HERE / "favicon.svg"), "wide", initial_sidebar_state="collapsed")
    st.html(_HERE / "style.css")
    language = _language()
    pages = [
        st.Page(
            partial(importlib.import_module(module).show, language),
            title=word(language, f"page.{name}"),
            url_path=name,
            default=name == next(iter(SCREENS)),
        )
        for name, module in SCREENS.items()
    ]
    page = st.navigation(pages, position="hidden")
    _header(pages, language)
    page.run()


def _language() -> Language:
    """What the reader picked; before that, what the address asks for (``?lang=ko``), else the browser's."""
    if "lang" not in st.session_state:
        wished = st.query_params.get("lang") or str(st.context.locale or "")[:2]
        st.session_state["lang"] = wished if wished in LANGUAGES else "en"
    return "ko" if st.session_state["lang"] == "ko" else "en"


def _header(pages: Sequence[st.Page], language: Language) -> None:
    """Name, pages and language in one row; Streamlit's own menu hides behind an icon on a phone."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            for page in pages:
                st.page_link(page, width="content")
        st.segmented_control(
            word(language, "language"),
            list(LANGUAGES),
            format_func=LANGUAGES.__getitem__,
            key="lang",
            required=True,
            label_visibility="collapsed",
        )


if __name__ == "__main__":
    main()
