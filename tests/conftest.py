"""What every test may use, and the rule that a skip nobody allowed is a failure."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.real_postgres import RealPostgres

# Property tests draw the same examples in every run and are never judged by the clock.
settings.register_profile("reproducible", derandomize=True, deadline=None, database=None)
settings.load_profile("reproducible")

_ALLOWED = tuple(
    line
    for line in (Path(__file__).parent / "skips_allowed.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)
_forbidden_skips: list[str] = []


@pytest.fixture(scope="session")
def movielens() -> Path:
    """The real MovieLens file (ml-latest-small as zip) named by $SCREENTEST_TEST_DATA."""
    path = os.environ.get("SCREENTEST_TEST_DATA", "")
    if not path:
        pytest.skip("SCREENTEST_TEST_DATA is not set: name ml-latest-small.zip to run the tests on real ratings")
    found = Path(path)
    assert found.exists(), f"SCREENTEST_TEST_DATA={path} does not exist"
    return found


@pytest.fixture(scope="session")
def postgres() -> Iterator[RealPostgres]:
    """A real PostgreSQL of this worker; nobody kills it. Each test takes a log of its own of it."""
    from tests.real_postgres import real_postgres

    # Nobody pulls the plug either.
    with real_postgres("fsync=off") as server:
        yield server


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own settings must not change what a test sees."""
    for name in list(os.environ):
        if (
            name.startswith(("SCREENTEST_", "MLFLOW_", "DATA_", "REDIS_URL", "OPENAI_"))
            and name != "SCREENTEST_TEST_DATA"
        ):
            monkeypatch.delenv(name)


def _note_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped:
        # An expected failure is a skip by another name: the test may fail and nobody hears of it.
        reason = getattr(report, "wasxfail", None)
        if reason is None:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not reason.removeprefix("Skipped: ").startswith(_ALLOWED):
            _forbidden_skips.append(f"{report.nodeid}: {reason}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _note_skip(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A whole file that skips itself while it is imported (``importorskip``) runs no test that could report it."""
    _note_skip(report)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if _forbidden_skips and not hasattr(session.config, "workerinput"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in _forbidden_skips:
        terminalreporter.write_line(f"FAILED skip outside tests/skips_allowed.txt: {line}", red=True)
