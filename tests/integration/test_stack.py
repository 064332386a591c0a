"""``screentest up`` and ``down`` on a finished run: page, MLflow, models and policy server answer, then are gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from events.aggregate import count_exposures
from events.database import open_database
from serving.processes import poll
from serving.rollout_folder import RolloutFolder
from tests.rollout_examples import SPEC, broke_guardrail
from tests.small_registry import register_small_models, small_interactions
from tests.written_rollouts import write_rollout

ROOT = Path(__file__).parents[2]
TRIED = SPEC.model_copy(
    update={"variants": {"champion": "models:/recommender/1", "challenger": "models:/recommender/2"}}
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with one finished run in it."""
    run = tmp_path / "runs" / "20260131-120000-none-seed1-abcd"
    run.mkdir(parents=True)
    tracking_uri = register_small_models(run, {"popularity": {}, "ease": {"reg": 10.0}}, small_interactions())
    plan = {"data": "small", "k": 10, "metric": "ndcg", "tracking_uri": tracking_uri, "model_name": "recommender"}
    (run / "demo.json").write_text(json.dumps({**plan, "seconds": {}}))
    (run / "result.json").write_text("{}")
    engine = open_database(RolloutFolder(run).events_url)
    write_rollout(engine, replace(broke_guardrail(), challenger_version="2"), TRIED)
    engine.dispose()
    return tmp_path


def screentest(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    names = ("SCREENTEST_MLFLOW_PORT", "SCREENTEST_POLICY_PORT", "SCREENTEST_APP_PORT")
    ports = {**dict.fromkeys(names, "0"), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        cwd=folder,
        env={**os.environ, **ports, **environment},
        capture_output=True,
        text=True,
        timeout=180,
    )


def answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5).status_code < 500
    except httpx.TransportError:
        return False


def test_a_stack_is_left_running_until_it_is_taken_down(folder: Path) -> None:
    [run] = (folder / "runs").iterdir()
    before = count_exposures(open_database(RolloutFolder(run).events_url), SPEC.name)
    temporary = folder / "tmp"
    temporary.mkdir()
    started = screentest(folder, "up", "--detach", TMPDIR=str(temporary))
    try:
        assert started.returncode == 0, started.stderr
        assert [line for line in started.stdout.splitlines() if line.startswith("starting")] == [
            f"starting the stack of {run}; it takes about half a minute",
            *("starting MLflow …", "starting the model servers and the policy server …", "starting the review page …"),
        ]
        addresses = json.loads((folder / "runs" / "up.json").read_text())["addresses"]
        for name, address in addresses.items():
            assert f"{name:<{max(map(len, addresses))}}  {address}" in started.stdout
            assert answers(address), name
        chosen = httpx.get(addresses["policy server"].replace("user_id=1", "user_id=101")).json()
        assert chosen["arm"] == "champion"
        assert len(chosen["items"]) == 10
        assert list(addresses) == [
            *("review page", "MLflow", "policy server", "champion (popularity v1)", "challenger (ease v2)")
        ]
        policy_url = addresses["policy server"].partition("/choose")[0]
        [experiment] = httpx.get(f"{policy_url}/experiments").json()["experiments"]
        assert (experiment["experiment"], experiment["sessions"]) == (SPEC.name, before), "nothing was added to it"
        arms = httpx.get(f"{policy_url}/preview", params={"user_id": 101}).json()["variants"]
        assert [(arm["model"], len(arm["items"])) for arm in arms] == [("popularity", 10), ("ease", 10)]

        again = screentest(folder, "up", "--detach")
        assert again.stdout.startswith("already running:")
        policy = addresses["policy server"].split("/")[2].rpartition(":")[2]
        elsewhere = {"SCREENTEST_POLICY_PORT": policy}
        (folder / "runs" / "up.json").rename(folder / "kept.json")
        taken = screentest(folder, "up", **elsewhere)
        (folder / "kept.json").rename(folder / "runs" / "up.json")
        assert taken.returncode == 2
        assert f"port {policy} on 127.0.0.1 is taken" in taken.stderr
        assert "SCREENTEST_POLICY_PORT" in taken.stderr
    finally:
        stopped = screentest(folder, "down")
    assert stopped.stdout == "stopped\n"
    assert poll(lambda: not any(answers(address) for address in addresses.values()), 20)
    assert not (folder / "runs" / "up.json").exists()
    assert not list(temporary.glob("db_init_lock-*")), "MLflow's locks are the run's"
    assert not (run / "up" / "mlflow-tmp").exists()
