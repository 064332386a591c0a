"""The transformer reading by Feast itself, from a Redis that ``features build`` filled."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from feature_repo.build import build_features
from serving.processes import poll
from tests.real_redis import real_redis
from tests.served_model import START_S, V1, model_server
from tests.small_registry import small_interactions
from tests.transformed_model import transformer
from wrappers.logreg import LogReg


@pytest.mark.long
def test_feast_gives_what_packed_rows_give_and_its_absence_defaults(tmp_path: Path) -> None:
    data = small_interactions()
    LogReg({"n_candidates": 20}).fit(data).save(tmp_path / "logreg")
    with ExitStack() as stack:
        redis = stack.enter_context(real_redis(tmp_path))
        build_features(data, tmp_path / "features", every_days=90, redis_url=redis.url)
        predictor = stack.enter_context(model_server(tmp_path / "predictor", "--model-uri", str(tmp_path / "logreg")))
        environment = {"REDIS_URL": redis.url, "SCREENTEST_FEATURE_TIMEOUT_MS": "2000"}
        clients = []
        for name, arguments in (("packed", ()), ("feast", ("--snapshots", str(tmp_path / "features")))):
            server = stack.enter_context(
                transformer(tmp_path / name, predictor.url, *arguments, environment=environment)
            )
            clients.append(stack.enter_context(httpx.Client(base_url=server.url, trust_env=False, timeout=30)))
        assert poll(lambda: all(one.get("/readyz").status_code == 200 for one in clients), START_S)
        body = {"instances": [{"user_id": user, "k": 5} for user in (100, 101, "nobody")]}
        packed, feast = (client.post(V1, json=body).json()["predictions"] for client in clients)
        assert packed == feast
        assert [one["features"] for one in feast] == ["store", "store", "default"]
        redis.kill()
        without = clients[1].post(V1, json=body).json()["predictions"]
        assert [one["features"] for one in without] == ["default"] * 3
        counted = clients[1].get("/metrics").text
        assert 'screentest_feature_lookups_total{outcome="unavailable"} 3.0' in counted
        log = (tmp_path / "feast" / "log").read_text(encoding="utf-8")
    assert log.count("default features are served meanwhile") == 1
    assert "Traceback" not in log
