"""The review page as people see it: Streamlit before a real policy server and two real model servers, in Chromium.

What it looked like is kept in build/screenshots/.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from serving.live_stack import start_page
from serving.ports import listen
from tests.rollout_examples import promoted
from tests.small_stack import small_stack

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
TIMEOUT_MS = 60_000

#: Elements that stick out of the window, those left out that scroll within themselves.
OUTSIDE = """() => Array.from(document.querySelectorAll(".sx, .sx *, .stVegaLiteChart *"))
  .filter(one => !one.closest(".scroll"))
  .filter(one => { const box = one.getBoundingClientRect();
                   return box.width && (box.right > innerWidth + 0.5 || box.left < -0.5); })
  .map(one => one.outerHTML.slice(0, 80))"""
WIDTHS = "() => [document.documentElement.scrollWidth, document.querySelector('.stMain').scrollWidth, innerWidth]"


@dataclass
class Seen:
    """An open page, and what it did that it should not do."""

    page: Page
    host: str
    troubles: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Note errors, and requests to anybody else."""
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("console", lambda said: said.type == "error" and self.troubles.append(f"console: {said.text}"))
        self.page.on("request", lambda request: self._check(request.url))
        self.page.on("websocket", lambda socket: self._check(socket.url))

    def _check(self, url: str) -> None:
        found = urlsplit(url)
        if found.scheme not in ("data", "blob") and found.netloc != self.host:
            self.troubles.append(f"request to {url}")

    def fits(self) -> None:
        """Nothing is wider than the window."""
        *widths, window = self.page.evaluate(WIDTHS)
        assert max(widths) <= window
        assert self.page.evaluate(OUTSIDE) == []

    def keep(self, name: str) -> None:
        """A picture of the whole page; Streamlit scrolls within the window, so the window grows for it."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        width, height = self.page.viewport_size["width"], self.page.viewport_size["height"]
        whole = self.page.evaluate("() => document.querySelector('.stMain').scrollHeight")
        self.page.mouse.move(0, 0)
        self.page.set_viewport_size({"width": width, "height": max(whole, height)})
        self.page.screenshot(path=SCREENSHOTS / f"review-{name}.png", animations="disabled")
        self.page.set_viewport_size({"width": width, "height": height})


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page before everything that `screentest up` starts."""
    folder = tmp_path_factory.mktemp("stack")
    with small_stack(folder, {"demo": promoted()}) as stack:
        with closing(listen("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with start_page(ROOT / "app" / "main.py", stack.policy_url, "127.0.0.1", port, folder, 90) as page:
            yield page


@pytest.fixture(scope="module")
def chrome(chromium: str) -> Iterator[Browser]:
    """The system's Chromium, driven by Playwright."""
    with sync_playwright() as playwright:
        # No sandbox: it needs privileges that containers do not give, and the page is our own.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=list(SIZES))
def seen(request: pytest.FixtureRequest, chrome: Browser, address: str) -> Iterator[Seen]:
    """The page, opened in a window of each size."""
    width, height = SIZES[request.param]
    page = chrome.new_page(viewport={"width": width, "height": height}, locale="en-US")
    page.set_default_timeout(TIMEOUT_MS)
    expect.set_options(timeout=TIMEOUT_MS)
    opened = Seen(page, urlsplit(address).netloc)
    opened.watch()
    page.goto(address)
    yield opened
    page.close()


def test_verdict_chart_and_covers(seen: Seen, request: pytest.FixtureRequest) -> None:
    page, size = seen.page, request.node.callspec.params["seen"]
    expect(page.get_by_role("heading", level=1)).to_have_text("Promoted: ease beats popularity")
    expect(page.locator(".tiles > div")).to_have_count(4)
    chart = page.locator(".stVegaLiteChart canvas, .stVegaLiteChart svg").first
    expect(chart).to_be_visible()
    box = chart.bounding_box()
    assert box is not None
    assert box["width"] > 0.75 * page.viewport_size["width"] * (0.9 if size == "desktop" else 1)
    page.get_by_text("Every look (18)").click()
    expect(page.locator(".scroll tbody tr")).to_have_count(18)
    seen.fits()
    page.get_by_text("Every look (18)").click()
    expect(page.locator(".scroll tbody tr").first).not_to_be_visible()
    seen.keep(f"verdict-{size}")

    page.get_by_role("link", name="Lists").click()
    expect(page.locator(".arm")).to_have_count(2)
    expect(page.locator(".arm h2")).to_have_text(["ease v2", "popularity v1"])
    expect(page.locator(".arm header span")).to_have_text(["champion", "previous champion"])
    covers = page.locator(".arm img")
    expect(covers).to_have_count(20)
    drawn = covers.evaluate_all(
        "covers => covers.map(one => [one.complete && one.naturalWidth > 0, one.width, one.alt])"
    )
    assert all(loaded and wide >= 120 and words.startswith("rank ") for loaded, wide, words in drawn)
    firsts = [page.locator(".arm").nth(arm).locator("img").first.bounding_box() for arm in (0, 1)]
    assert firsts[0]["y"] == firsts[1]["y"], "side by side, on a phone too"
    seen.fits()
    seen.keep(f"lists-{size}")
    assert seen.troubles == []


def test_another_language_and_another_user(seen: Seen) -> None:
    page = seen.page
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.get_by_text("한국어").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("승격")
    seen.fits()
    page.get_by_role("link", name="추천 목록").click()
    expect(page.locator(".arm header span")).to_have_text(["챔피언", "이전 챔피언"])
    before = page.locator(".arm img").evaluate_all("covers => covers.map(one => one.alt)")
    page.get_by_role("combobox").fill("nobody-has-this-id")
    page.keyboard.press("Enter")
    expect(page.locator(".arm.champion header p")).to_have_text(
        "이 모델이 모르는 사용자이므로 인기 목록을 보여 줍니다."
    )
    assert page.locator(".arm img").evaluate_all("covers => covers.map(one => one.alt)") != before
    seen.fits()
    assert seen.troubles == []
