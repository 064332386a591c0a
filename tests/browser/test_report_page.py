"""The rollout report in a real browser: desktop and phone, both languages, without scripts, in the dark."""

from __future__ import annotations

import re
import struct
from dataclasses import replace

import pytest

from experiments.report import rollout_html
from experiments.words import verdict
from tests.browser.chromium import Browser
from tests.rollout_examples import CONTEXT, EXAMPLES, kept, promoted

DESKTOP, PHONE = 1280, 390
DARK = ("--blink-settings=preferredColorScheme=0",)


def png_size(picture: bytes) -> tuple[int, int]:
    """Width and height of a PNG, from its header."""
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_page_fits_its_width(browser: Browser, width: int, language: str) -> None:
    measured = browser.measure(rollout_html(promoted(), CONTEXT), width=width, language=language)
    assert measured["width"] == width
    assert measured["scroll_width"] <= width
    assert measured["outside"] == []
    assert measured["languages"] == [language]
    assert measured["document_language"] == language
    assert measured["heading"].replace("\u2060", "") == verdict(promoted(), language)
    # Every chart is there, drawn near its own size, so that its letters stay readable.
    assert len(measured["charts"]) == 3
    assert all(0.85 < scale < 1.35 for scale in measured["charts"])
    assert measured["smallest_letters"] >= 11


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_verdict_fits_a_phone(browser: Browser, name: str) -> None:
    measured = browser.measure(rollout_html(EXAMPLES[name](), CONTEXT), width=PHONE)
    assert measured["scroll_width"] <= PHONE
    assert measured["outside"] == []


def test_long_names_do_not_widen_a_phone(browser: Browser) -> None:
    long = "recommender_" * 20
    result = replace(promoted(), challenger=long, control=long + "2", experiment=long)
    context = replace(CONTEXT, data=long, run_folder=f"/{long}", hints=((long, long),), provenance={long: long})
    measured = browser.measure(rollout_html(result, context), width=PHONE, language="ko")
    assert measured["scroll_width"] <= PHONE
    assert measured["outside"] == []


@pytest.mark.parametrize(("locale", "language"), [("ko-KR", "ko"), ("en-US", "en"), ("fr-FR", "en")])
def test_page_opens_in_the_readers_language(browser: Browser, locale: str, language: str) -> None:
    options = (f"--lang={locale}", f"--accept-lang={locale}")
    measured = browser.measure(rollout_html(kept(), CONTEXT), width=DESKTOP, options=options)
    assert measured["languages"] == [language]


def test_without_scripts_the_page_is_english_and_the_switch_works(browser: Browser) -> None:
    bare = re.sub(r"<script>.*?</script>", "", rollout_html(promoted(), CONTEXT), flags=re.DOTALL)
    assert browser.measure(bare, width=DESKTOP, language="ko")["languages"] == ["en"]
    # The switch is two radio buttons: what the reader picks is all that changes.
    picked = bare.replace('aria-label="English" checked', 'aria-label="English"')
    picked = picked.replace('aria-label="한국어"', 'aria-label="한국어" checked')
    assert browser.measure(picked, width=DESKTOP)["languages"] == ["ko"]


def test_page_has_a_dark_face(browser: Browser) -> None:
    page = rollout_html(promoted(), CONTEXT)
    light = browser.measure(page, width=PHONE)["background"]
    dark = browser.measure(page, width=PHONE, options=DARK)["background"]
    assert sum(light) > 3 * 200
    assert sum(dark) < 3 * 60


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_page_can_be_pictured(browser: Browser, width: int) -> None:
    picture = browser.screenshot(rollout_html(promoted(), CONTEXT), width=width, height=844)
    assert png_size(picture) == (width, 844)
    # An empty page of this size compresses to a few kilobytes.
    assert len(picture) > 20_000
