"""``screentest experiment``: from a spec's file to what came out, on a database and a policy server that is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from cli.main import app
from core.errors import ConfigError, RolloutError
from tests.lane_sessions import write_lanes
from tests.policy_servers import answer_with, server_that
from tests.versioned_servers import spec_document, three_servers


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The setting's event log."""
    url = f"sqlite:///{tmp_path / 'events.db'}"
    monkeypatch.setenv("SCREENTEST_EVENTS_URL", url)
    return url


@pytest.fixture(scope="module")
def servers() -> Iterator[list[str]]:
    with three_servers() as urls:
        yield [word for variant, url in urls.items() for word in ("--server", f"{variant}={url}")]


def experiment(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["experiment", *map(str, arguments)])


def told(*arguments: object) -> str:
    found = experiment(*arguments)
    assert found.exit_code == 0, (found.output, found.exception)
    return found.output


def spec_file(folder: Path, **changes: object) -> Path:
    path = folder / "spec.yaml"
    path.write_text(yaml.safe_dump(spec_document(**changes)))
    return path


def test_from_draft_to_results(url: str, servers: list[str], tmp_path: Path) -> None:
    assert told("list").startswith("no experiment yet; `screentest experiment create SPEC` makes one")
    assert told("create", spec_file(tmp_path)) == "three-lists: draft, variants bold, fresh, plain\n"
    told("create", spec_file(tmp_path, analysis={"n_star": 300}), "--replace")
    assert told("start", "three-lists", *servers) == "three-lists: running\n"
    shown = json.loads(told("show", "three-lists"))
    assert (shown["state"], shown["spec"]["analysis"]["n_star"]) == ("running", 300)
    assert shown["variants"]["fresh"]["uri"] == "models:/recommender/2"

    write_lanes(url)
    [listed] = json.loads(told("list", "--json"))
    assert listed["sessions"] > 480
    assert "three-lists  fixed  running" in told("list")
    results = json.loads(told("results", "three-lists", "--json"))
    words = told("results", "three-lists")
    assert f"verdict: {results['analysis']['verdict']['sentence']}" in words
    assert "fixed lane: 0." in words
    assert "session_click per session" in words

    assert told("pause", "three-lists") == "three-lists: paused\n"
    assert told("start", "three-lists") == "three-lists: running\n"
    assert told("stop", "three-lists") == "three-lists: stopped\n"
    refused = experiment("delete", "three-lists")
    assert isinstance(refused.exception, RolloutError)
    assert "has sessions in the event log" in str(refused.exception)
    told("create", spec_file(tmp_path, name="unseen"))
    assert "no session of 'unseen'" in told("results", "unseen")
    assert told("delete", "unseen") == "unseen: deleted\n"
    done = [entry["path"] for entry in json.loads(CliRunner().invoke(app, ["audit", "--json"]).output)]
    commands = ["create", "create --replace", "start", "pause", "start", "stop", "create", "delete"]
    assert done == [f"experiment {command}" for command in commands]


def test_a_policy_server_is_told_and_need_not_be_there(url: str, servers: list[str], tmp_path: Path) -> None:
    told("create", spec_file(tmp_path))
    with server_that(answer_with("200 OK", '{"experiment": "three-lists", "revision": 7}')) as policy:
        assert told("start", "three-lists", *servers, "--policy", policy).endswith("obeys route 7\n")
    # Of another database, whose revisions are higher.
    with server_that(answer_with("200 OK", '{"experiment": "live", "revision": 8}')) as policy:
        said = experiment("pause", "three-lists", "--policy", policy).output
        assert "obeys 'live' and not 'three-lists': it reads another event database" in said
        told("start", "three-lists")
    found = experiment("pause", "three-lists", "--policy", "http://127.0.0.1:1")
    assert found.exit_code == 0
    assert "not told at once: policy server http://127.0.0.1:1 did not take the route" in found.output


@pytest.mark.parametrize(
    ("server", "said"),
    [
        (["--server", "plain"], "must be VARIANT=URL"),
        (["--server", "plain=http://a", "--server", "plain=http://b"], "names variant 'plain' twice"),
        ([], "variant 'plain' of 'three-lists' has no server"),
    ],
)
def test_servers_that_are_none_are_one_line(url: str, server: list[str], said: str, tmp_path: Path) -> None:
    told("create", spec_file(tmp_path))
    found = experiment("start", "three-lists", *server)
    assert isinstance(found.exception, ConfigError)
    assert said in str(found.exception)


def test_what_is_not_there_is_told(url: str, tmp_path: Path) -> None:
    for command in ("start", "pause", "stop", "show", "results", "delete"):
        found = experiment(command, "nope")
        assert isinstance(found.exception, RolloutError), command
        assert "experiment 'nope' does not exist; create it first" in str(found.exception)
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("SCREENTEST_EVENTS_URL")
        found = experiment("list")
    assert isinstance(found.exception, ConfigError)
    assert "no event log; give --events or set SCREENTEST_EVENTS_URL" in str(found.exception)
