"""A rollout's request as its folder keeps it: settings of the day included, older files still read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError
from core.settings import load_settings
from serving.rollout_folder import RolloutFolder, RolloutRequest

FILE = "rollout-request.json"


def request(folder: Path, **given: Any) -> RolloutRequest:
    spec = {"name": "small", "variants": {"champion": "models:/m/1", "challenger": "models:/m/2"}}
    values = {"spec": spec, "run_dir": folder, "dataset": folder / "data", "tracking_uri": "sqlite:////tmp/mlflow.db"}
    return RolloutRequest.build(**{**values, **given})


def test_what_a_request_leaves_open_is_the_setting_of_the_day_it_began(tmp_path: Path) -> None:
    folder = RolloutFolder(tmp_path)
    kept = folder.keep_request(request(tmp_path), load_settings(k=7, model_timeout_s=1.5))
    assert (kept.k, kept.model_timeout_s) == (7, 1.5)
    assert folder.read_request() == kept

    other_day = load_settings(k=20, model_timeout_s=9.0)
    assert folder.keep_request(kept, other_day) == kept
    assert folder.keep_request(request(tmp_path), other_day) == kept, "a repeated pipeline step leaves it open again"


def test_what_a_request_names_is_kept_whatever_the_settings_say(tmp_path: Path) -> None:
    kept = RolloutFolder(tmp_path).keep_request(request(tmp_path, k=5), load_settings(k=7))
    assert kept.k == 5
    with pytest.raises(ConfigError, match="holds another rollout already"):
        RolloutFolder(tmp_path).keep_request(request(tmp_path, k=6), load_settings())


def test_a_request_of_an_older_version_is_read_and_completed(tmp_path: Path) -> None:
    folder = RolloutFolder(tmp_path)
    document = json.loads(request(tmp_path).model_dump_json(exclude={"k", "model_timeout_s"}))
    (tmp_path / FILE).write_text(json.dumps(document))
    assert folder.read_request().k is None
    assert folder.keep_request(folder.read_request(), load_settings(k=7)).k == 7
    assert json.loads((tmp_path / FILE).read_text())["k"] == 7


@pytest.mark.parametrize("given", [{"k": 0}, {"model_timeout_s": 0}, {"seed": -1}])
def test_a_value_out_of_range_is_named(tmp_path: Path, given: dict[str, float]) -> None:
    (name,) = given
    with pytest.raises(ConfigError, match=f"rollout: {name} == "):
        request(tmp_path, **given)
