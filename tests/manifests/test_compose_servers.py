"""The services of compose.yaml as processes: from nothing to healthy, to a decision, and up again after it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.management.model_api import NO_MLFLOW
from serving.processes import poll
from tests.composed import Composed, Service, composed
from tests.kustomized import MANIFESTS


def services_on_sqlite(folder: Path) -> dict[str, Service]:
    """Those of compose.yaml, with MLflow's two databases in files."""
    services = deepcopy(composed())
    del services["postgresql"]
    mlflow = services["mlflow"]
    del mlflow["depends_on"]
    backend = f"--backend-store-uri=sqlite:///{folder / 'mlflow.db'}"
    mlflow["command"] = [
        backend if word.startswith("--backend-store-uri=") else word.replace("--workers=2", "--workers=1")
        for word in mlflow["command"]
    ]
    ini = folder / "basic_auth.ini"
    text = (MANIFESTS / "base" / "files" / "mlflow-basic-auth.ini").read_text(encoding="utf-8")
    ini.write_text(re.sub("database_uri = .*", f"database_uri = sqlite:///{folder / 'users.db'}", text))
    mlflow["environment"]["MLFLOW_AUTH_CONFIG_PATH"] = str(ini)
    return services


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Composed]:
    made = Composed(tmp_path, services_on_sqlite(tmp_path))
    yield made
    made.close()


def ask(stack: Composed, path: str, key_of: str = "review-page") -> httpx.Response:
    key = stack.services[key_of]["environment"]["SCREENTEST_API_KEY"]
    return httpx.get(
        stack.url("policy-server") + path, headers={"authorization": f"Bearer {key}"}, timeout=30, trust_env=False
    )


def leads_to(stack: Composed, name: str, version: str) -> bool:
    """Whether everyone is sent to a server and a version; the policy server sees a new route within a second."""

    def routed() -> bool:
        route: dict[str, Any] = ask(stack, "/routes").json()
        found = (route["champion_url"], route["champion_version"], route["percent"])
        return found == (stack.url(name), version, 0)

    return poll(routed, 30)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_from_nothing_to_a_decision_and_up_again(stack: Composed) -> None:
    stack.up()
    assert leads_to(stack, "champion", "1")
    # On a busy machine MLflow may be too slow for it; it must know whom to ask.
    assert ask(stack, "/model/status").json()["registry"]["error"] != NO_MLFLOW
    assert ask(stack, "/choose?user_id=1").status_code == 403, "the page's key is for looking"

    told = stack.run("rollout")
    result = json.loads((stack.volume("policy-server") / "rollouts/first/result.json").read_text())
    assert (result["decision"], result["simulated"]) == ("promote", True), told
    assert leads_to(stack, "challenger", "2")
    shown = ask(stack, "/choose?user_id=1", "rollout").json()
    assert (shown["arm"], len(shown["items"]), "degraded" in shown) == ("champion", 10, False)

    # The champion's server was not restarted and serves the version that lost: nobody is sent back to it.
    stack.up()
    assert f"stays in force (version 2 at {stack.url('challenger')})" in stack.run("route")
    assert leads_to(stack, "challenger", "2")
    # Told again, not run again.
    assert "Promoted" in stack.run("rollout")

    # Restarted one after the other, both serve the new champion, and the way leads to its own server again.
    stack.restart("champion")
    stack.up("route")
    assert leads_to(stack, "champion", "2")
    stack.restart("challenger")
    assert "models:/recommender@champion is served instead" in stack.log("challenger")
    stack.services["rollout"]["command"] = [
        word.replace("first", "second") for word in stack.services["rollout"]["command"]
    ]
    with pytest.raises(AssertionError, match="champion and challenger both serve models:/recommender/2"):
        stack.run("rollout")
    # Everything from its volumes.
    stack.close()
    stack.up()
    assert leads_to(stack, "champion", "2")
