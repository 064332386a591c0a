"""Chromium, headless: opens a page the project wrote and measures or pictures it."""

from __future__ import annotations

import html
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MEASURE = """
<script>
addEventListener("load", function () {
  var wide = innerWidth, outside = [];
  document.querySelectorAll("body *").forEach(function (element) {
    var box = element.getBoundingClientRect();
    if (box.width && !element.closest(".scroll") && (box.right > wide + 0.5 || box.left < -0.5)) {
      outside.push(element.outerHTML.slice(0, 80));
    }
  });
  var seen = Array.from(document.querySelectorAll("main")).filter(function (page) { return page.offsetHeight > 0; });
  var shown = seen[0];
  parent.postMessage(JSON.stringify({
    width: wide,
    scroll_width: Math.max(document.documentElement.scrollWidth, document.body.scrollWidth),
    outside: outside,
    languages: seen.map(function (page) { return page.lang; }),
    document_language: document.documentElement.lang,
    background: getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number),
    heading: shown.querySelector("h1").textContent,
    charts: Array.from(shown.querySelectorAll("svg.chart")).filter(function (chart) {
      return chart.getBoundingClientRect().width > 0;
    }).map(function (chart) { return chart.getBoundingClientRect().width / chart.viewBox.baseVal.width; }),
    smallest_letters: Math.min.apply(null, Array.from(shown.querySelectorAll("svg.chart text, p, td, th, li, dd, dt"))
      .filter(function (element) { return element.getBoundingClientRect().width > 0; })
      .map(function (element) {
        var chart = element.closest("svg.chart");
        var scale = chart ? chart.getBoundingClientRect().width / chart.viewBox.baseVal.width : 1;
        return parseFloat(getComputedStyle(element).fontSize) * scale;
      }))
  }), "*");
});
</script>
"""

# A window is never narrower than 500 pixels, a frame is: the page is measured in a frame and tells its parent.
_FRAME = """<!doctype html>
<script>
addEventListener("message", function (message) {{ document.documentElement.dataset.measured = message.data; }});
</script>
<iframe src="{address}" style="width: {width}px; height: 2000px; border: 0"></iframe>
"""


@dataclass(frozen=True)
class Browser:
    """A headless Chromium with a profile of its own.

    Attributes:
        program: Path of the program.
        folder: Where pages, profile and screenshots lie.
    """

    program: str
    folder: Path

    def measure(self, page: str, *, width: int, language: str = "", options: tuple[str, ...] = ()) -> dict[str, Any]:
        """Open a page and measure it from within: widths, what sticks out, what is shown."""
        self._write("measured.html", page.replace("</body>", f"{_MEASURE}</body>"))
        address = "measured.html" + (f"#{language}" if language else "")
        frame = self._write("frame.html", _FRAME.format(address=address, width=width))
        wait = "--virtual-time-budget=5000"
        found = self._run(frame.as_uri(), "--window-size=1400,2100", "--dump-dom", wait, *options)
        measured = re.search(r'data-measured="([^"]*)"', found.stdout)
        assert measured, f"the page did not load: {found.stderr[-2000:]}"
        assert "CONSOLE" not in found.stderr, found.stderr
        result: dict[str, Any] = json.loads(html.unescape(measured[1]))
        return result

    def screenshot(
        self, page: str, *, width: int, height: int, language: str = "", options: tuple[str, ...] = ()
    ) -> bytes:
        """A page's picture as PNG."""
        picture = self.folder / "picture.png"
        picture.unlink(missing_ok=True)
        address = self._write("shown.html", page).as_uri() + (f"#{language}" if language else "")
        self._run(address, f"--window-size={width},{height}", f"--screenshot={picture}", *options)
        return picture.read_bytes()

    def _write(self, name: str, page: str) -> Path:
        target = self.folder / name
        target.write_text(page, encoding="utf-8")
        return target

    def _run(self, address: str, *options: str) -> subprocess.CompletedProcess[str]:
        # No sandbox: it needs privileges that containers do not give, and the page is our own.
        return subprocess.run(
            [
                self.program,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--enable-logging=stderr",
                "--force-device-scale-factor=1",
                f"--user-data-dir={self.folder / 'profile'}",
                *options,
                address,
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
