"""``screentest keys`` and ``screentest audit``: what is printed where, and what is written down."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from cli.spans import seconds
from core.errors import ConfigError
from events.api_keys import live_keys
from events.audit import os_user
from events.database import open_database

KEY = re.compile(r"st_[0-9a-f]{10}_[A-Za-z0-9_-]{43}")


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path / 'events.db'}"
    monkeypatch.setenv("SCREENTEST_EVENTS_URL", url)
    return url


def keys(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["keys", *arguments])
    assert done.exit_code == code, done.output
    return done


def test_a_key_is_alone_on_standard_output(events: str) -> None:
    made = keys("create", "shop", "--role", "operator", "--only", "traffic", "--rate", "50", "--expires", "90d")
    assert KEY.fullmatch(made.stdout.strip())
    ends = (datetime.now(UTC) + timedelta(days=90)).strftime("%Y-%m-%d")
    assert f"shop ({made.stdout[:13]}…): operator for traffic alone, 50 requests a second until {ends}" in made.stderr
    assert "shown once" in made.stderr
    assert made.stdout.strip() not in made.stderr


def test_the_whole_life_of_a_key(events: str) -> None:
    texts = [keys("create", "shop", "--role", "viewer").stdout.strip(), keys("rotate", "shop").stdout.strip()]
    assert "live, last used never" in keys("list").output
    listed = json.loads(keys("list", "--json").output)
    assert [row["state"] for row in listed] == ["live", "live"]
    assert keys("revoke", "shop").output == "shop: revoked, 2 of that name\n"
    told = keys("list").output + json.dumps(listed) + CliRunner().invoke(app, ["audit", "--json"]).output
    for text in texts:
        assert text[14:] not in told
    assert "sha256" not in told
    engine = open_database(events)
    assert live_keys(engine) == []
    engine.dispose()


def test_nothing_there_yet(events: str) -> None:
    assert keys("list").output == "no keys yet; `screentest keys create` makes one\n"
    assert CliRunner().invoke(app, ["audit"]).output == "nothing was changed\n"


def test_a_key_from_a_secret_is_made_known_as_often_as_one_likes(events: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = keys("new").stdout.strip()
    monkeypatch.setenv("SCREENTEST_API_KEY", text)
    assert keys("import", "page", "--role", "viewer").output.endswith(": known from now on\n")
    again = keys("import", "page", "--role", "viewer")
    assert again.output.endswith(": known already\n")
    assert text[14:] not in again.output
    monkeypatch.setenv("SCREENTEST_API_KEY", "hunter2")
    for secret in ("hunter2", ""):
        monkeypatch.setenv("SCREENTEST_API_KEY", secret)
        done = CliRunner().invoke(app, ["keys", "import", "page", "--role", "viewer"])
        assert isinstance(done.exception, ConfigError)
        assert "hunter2" not in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("create", "shop", "--role", "viewer", "--only", "traffic"), "give --role operator"),
        (("create", "shop", "--role", "viewer", "--rate", "0"), "rate == 0, must be 1"),
        (("create", "a b", "--role", "viewer"), "key name 'a b'"),
        (("create", "shop", "--role", "viewer", "--expires", "soon"), "--expires 'soon', must be a number with s"),
        (("rotate", "nobody"), "no live key 'nobody'; live keys: none"),
        (("revoke", "nobody"), "no live key 'nobody'"),
    ],
)
def test_what_is_refused(events: str, arguments: tuple[str, ...], message: str) -> None:
    done = CliRunner().invoke(app, ["keys", *arguments])
    assert isinstance(done.exception, ConfigError)
    assert message in str(done.exception)


def test_without_a_database_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCREENTEST_EVENTS_URL", raising=False)
    for command in (["keys", "list"], ["audit"]):
        done = CliRunner().invoke(app, command)
        assert "give --events or set SCREENTEST_EVENTS_URL" in str(done.exception)


def test_the_audit_tells_who_did_what(events: str) -> None:
    keys("create", "shop", "--role", "viewer")
    keys("revoke", "shop")
    lines = CliRunner().invoke(app, ["audit"]).output.splitlines()
    assert [line.partition("  ")[2] for line in lines] == [
        f"{os_user()}: command keys {command} [shop]" for command in ("create", "revoke")
    ]
    [latest] = json.loads(CliRunner().invoke(app, ["audit", "--json", "--limit", "1"]).output)
    assert (latest["who"], latest["path"], latest["subject"]) == (os_user(), "keys revoke", "shop")
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%d")
    assert json.loads(CliRunner().invoke(app, ["audit", "--since", tomorrow, "--json"]).output) == []


def test_a_bad_command_in_a_process_of_its_own_is_one_line(events: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "keys", "revoke", "nobody"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (2, "error: no live key 'nobody'; live keys: none\n")


def test_lengths_of_time() -> None:
    assert [seconds("--x", text) for text in ("0s", "30s", "15m", "24h", "90d")] == [0, 30, 900, 86400, 7776000]
    for text in ("", "5", "5w", "-1d", "1.5h", "4000d", "٣d", "1d "):
        with pytest.raises(ConfigError, match="must be a number with"):
            seconds("--x", text)
