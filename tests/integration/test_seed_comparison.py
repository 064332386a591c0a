"""The seed comparison, logistic regression against LightGBM, on features that Feast serves from Redis."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from cli.feature_store import kept_feature_store
from core.settings import load_settings
from feature_repo.packed import user_key
from feature_repo.redis_client import connect as connect_redis
from serving.live_rollout import resume_rollout
from tests.short_audition import short_audition
from tracking.client import connect
from tracking.registry import version_for

POLICIES = ("logreg", "lightgbm")


@pytest.mark.usefixtures("no_child_left")
@pytest.mark.long
def test_policy_a_against_policy_b_on_features_from_redis(ratings: Path, tmp_path: Path, console: Console) -> None:
    performed = short_audition(ratings, tmp_path, console, models=POLICIES)
    result = performed.perform()

    assert (result["control"], result["challenger"]) == POLICIES
    assert result["decision"] in ("promote", "rollback", "keep")
    assert result["seconds"]["build-features"] > 0
    tracker = connect(performed.run.database)
    versions = [version_for(tracker, "recommender", alias) for alias in ("PolicyA", "PolicyB")]
    assert [None if version is None else version.model for version in versions] == list(POLICIES)
    # Every visitor's list was ranked on what Redis held; a default would have been said in the servers' logs.
    for log in (performed.run.path / "servers").glob("model-*.log"):
        assert "default features" not in log.read_text()

    # What the run put into Redis is there for whoever resumes it.
    with kept_feature_store(load_settings(), performed.run) as redis:
        assert redis is not None
        with connect_redis(redis.url) as client:
            kept = Counter(key.split(b":")[3] for key in client.scan_iter("screentest:features:*"))
            version = next(client.scan_iter("screentest:features:*")).split(b":")[2].decode()
            assert client.get(user_key(version, "1")) is not None
        resumed = resume_rollout(performed.run.path)
    assert kept == {b"user": 80, b"layout": 1}
    assert resumed.result.decision == result["decision"]


@pytest.mark.long
@pytest.mark.real_data
def test_the_demo_on_real_ratings(movielens: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli.main", "demo", "--data", str(movielens), "--models", ",".join(POLICIES)]
    results = []
    for name in ("one.json", "two.json"):
        subprocess.run([*command, "--json", str(tmp_path / name)], check=True, capture_output=True)
        results.append(json.loads((tmp_path / name).read_text()))

    one, two = results
    assert (one["control"], one["challenger"]) == POLICIES
    for figure in ("decision", "effect_size", "ci_lower", "ci_upper", "steps"):
        assert one[figure] == two[figure]
