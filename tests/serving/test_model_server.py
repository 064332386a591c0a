import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.errors import NoSuchAlias, TrackingError
from serving.model_source import load_source
from serving.processes import ServerProcess
from tests.served_model import START_S, V1, model_server
from tests.small_registry import register_small_models, small_interactions
from tracking.client import connect
from tracking.registry import CHAMPION, set_alias
from wrappers.artifact import load_wrapper
from wrappers.ease import Ease


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "ease"
    Ease().fit(small_interactions()).save(folder)
    return folder


@pytest.fixture(scope="module")
def server(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with model_server(tmp_path_factory.mktemp("server"), "--model-uri", str(artifact)) as process:
        yield process


@pytest.fixture(scope="module")
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as client:
        yield client


def ask(http: httpx.Client, **request: Any) -> dict[str, Any]:
    answer = http.post("/recommend", json=request)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_both_routes_answer_what_the_model_says(http: httpx.Client, artifact: Path) -> None:
    requests = [{"user_id": user_id, "k": 4, "exclude_items": [1000, "1001"]} for user_id in (100, "117", 159)]
    expected = load_wrapper(artifact).predict(requests)
    assert http.post(V1, json={"instances": requests}).json() == {"predictions": expected}
    for request, one in zip(requests, expected, strict=True):
        lean = ask(http, **request)
        assert lean == {"items": one["items"], "cold": False, "model": "ease", "model_version": "unregistered"}
        assert len(lean["items"]) == 4
        assert not {1000, 1001} & {item["item_id"] for item in lean["items"]}


def test_reasons_come_with_both_routes_where_asked_for(http: httpx.Client, artifact: Path) -> None:
    requests: list[dict[str, Any]] = [{"user_id": 100, "k": 4, "explain": given} for given in (True, "ko", False)]
    expected = load_wrapper(artifact).predict(requests)
    assert http.post(V1, json={"instances": requests}).json() == {"predictions": expected}
    for request, one in zip(requests, expected, strict=True):
        assert ask(http, **request)["items"] == one["items"]
    assert ["reason" in one["items"][0] for one in expected] == [True, True, False]


def test_more_instances_than_fit_the_event_loop_keep_their_order(http: httpx.Client) -> None:
    users = [*range(100, 150), "nobody"]
    predictions = http.post(V1, json={"instances": [{"user_id": user, "k": 2} for user in users]}).json()["predictions"]
    assert [one["user_id"] for one in predictions] == users
    assert [one["cold"] for one in predictions] == [False] * 50 + [True]


def test_k_defaults_to_ten_and_nobody_instances_are_nobody(http: httpx.Client) -> None:
    assert len(ask(http, user_id=100)["items"]) == 10
    assert http.post(V1, json={"instances": []}).json() == {"predictions": []}


@pytest.mark.parametrize("user_id", [-1, 0, "nobody", "10e3", "é", 10**17])
def test_a_cold_user_gets_the_most_popular(http: httpx.Client, user_id: int | str) -> None:
    answer = ask(http, user_id=user_id, k=3)
    assert answer["cold"] is True
    counts = small_interactions().ratings["item_id"].value_counts()
    assert [item["score"] for item in answer["items"]] == sorted(counts.tolist(), reverse=True)[:3]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b'{"user_id": NaN}', "no JSON"),
        (b"[1]", "no object"),
        (b"{}", "user_id == None"),
        (b'{"user_id": null}', "user_id == None"),
        (b'{"user_id": 1.5}', "user_id == 1.5"),
        (b'{"user_id": true}', "user_id == True"),
        (b'{"user_id": ""}', "user_id == ''"),
        (b'{"user_id": 1, "k": 0}', "k == 0, must be an integer 1"),
        (b'{"user_id": 1, "k": 1001}', "k == 1001"),
        (b'{"user_id": 1, "k": "5"}', "k == '5'"),
        (b'{"user_id": 1, "exclude_items": 5}', "exclude_items == 5"),
        (b'{"user_id": 1, "exclude_items": [[]]}', "exclude_items == []"),
        (b'{"user_id": 1, "explain": "fr"}', "explain == 'fr', must be true, false or one of 'en', 'ko'"),
        (b'{"user_id": 1, "K": 5}', "unknown field 'K'"),
    ],
)
def test_bad_input_is_400_with_the_reason_on_both_routes(http: httpx.Client, body: bytes, reason: str) -> None:
    lean = http.post("/recommend", content=body)
    assert (lean.status_code, list(lean.json())) == (400, ["error"])
    assert reason in lean.json()["error"]
    if "no JSON" not in reason:
        v1 = http.post(V1, content=b'{"instances": [%s]}' % body)
        assert v1.status_code == 400
        assert "request 0" in v1.json()["error"]


@pytest.mark.parametrize("content_type", [None, "application/json", "application/json; charset=utf-8", "text/plain"])
@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b'{"instances": [{"user_id": 100}]}', 200, ""),
        (b'{"instances": {"user_id": 100}}', 400, "must be a list"),
        (b'{"inputs": []}', 400, 'no "instances"'),
        (b"[]", 400, ""),
        (b"{", 400, ""),
        (b"", 400, ""),
        (b'{"instances": [%s]}' % b",".join([b'{"user_id": 1}'] * 1001), 400, "at most 1000"),
    ],
)
def test_v1_takes_json_whatever_it_is_called(
    http: httpx.Client, content_type: str | None, body: bytes, status: int, reason: str
) -> None:
    answer = http.post(V1, content=body, headers={"content-type": content_type} if content_type else {})
    assert answer.status_code == status, answer.text
    assert ("predictions" if status == 200 else "error") in answer.json()
    assert reason in answer.text.replace("\\", "")


def test_readiness_names_the_model_and_nothing_else_is_ready(http: httpx.Client) -> None:
    assert http.get("/readyz").json() == {"ready": True, "model": "recommender", "model_version": "unregistered"}
    assert http.get("/v2/models/recommender/ready").json() == {"name": "recommender", "ready": True}
    assert http.get("/v1/models").json() == {"models": ["recommender"]}
    assert http.get("/v2/models/another/ready").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/models/another:predict", 404),
        ("GET", "/nowhere", 404),
        ("GET", "/recommend", 405),
        ("POST", "/v2/models/recommender/infer", 400),
        ("POST", "/v2/repository/models/recommender/unload", 501),
    ],
)
def test_what_is_not_served_is_refused_in_order(http: httpx.Client, method: str, path: str, status: int) -> None:
    answer = http.request(method, path, json={"instances": []} if method == "POST" else None)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert "site-packages" not in answer.text
    assert http.get("/readyz").status_code == 200


def test_a_body_of_megabytes_is_refused(http: httpx.Client) -> None:
    body = b'{"user_id": 1, "exclude_items": [%s]}' % (b"1," * 1_000_000 + b"1")
    assert http.post("/recommend", content=body).status_code == 413
    assert http.post(V1, content=body).status_code == 413


def test_metrics_count_both_routes(http: httpx.Client) -> None:
    def count(name: str) -> float:
        lines = http.get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    labels = 'model="recommender",route="{}",version="unregistered"'
    names = [
        *(f"screentest_model_seconds_count{{{labels.format(route)}}}" for route in ("recommend", "v1_predict")),
        'request_predict_seconds_count{model_name="recommender"}',
    ]
    before = [count(name) for name in names]
    ask(http, user_id=100)
    http.post(V1, json={"instances": [{"user_id": 100}]})
    assert [count(name) for name in names] == [number + 1 for number in before]


def test_requests_good_or_bad_leave_nothing_in_the_log(http: httpx.Client, server: ServerProcess) -> None:
    ask(http, user_id=100)
    http.post("/recommend", content=b"{")
    http.post(V1, json={"instances": [{}]})
    http.get("/v2/models/another/ready")
    lines = server.command.log_file.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1, lines
    assert "version unregistered on http://127.0.0.1:" in lines[0]


def run_server(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "serving.model_server", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=START_S, check=False)


def test_a_port_that_is_taken_names_the_option(server: ServerProcess, artifact: Path) -> None:
    port = server.url.rsplit(":", 1)[1]
    failed = run_server("--model-uri", str(artifact), "--port", port)
    assert failed.returncode == 1
    assert failed.stderr.splitlines() == [
        f"model server: port {port} on 127.0.0.1 is taken; choose another with --port (0: any)"
    ]


@pytest.mark.parametrize(
    ("uri", "code", "reason"),
    [
        ("/no/such/folder", 2, "a folder that exists"),
        ("runs:/1/model", 2, "give models:/NAME/VERSION"),
        (".", 2, "no model.json"),
    ],
)
def test_a_model_that_cannot_be_served_is_one_line(uri: str, code: int, reason: str) -> None:
    failed = run_server("--model-uri", uri, "--port", "0")
    assert failed.returncode == code
    assert len(failed.stderr.splitlines()) == 1
    assert reason in failed.stderr


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MLFLOW_TRACKING_URI", "")
        folder = tmp_path_factory.mktemp("registry")
        yield register_small_models(folder, {"popularity": {}, "ease": {}}, small_interactions())


def test_an_alias_that_points_nowhere_has_a_stand_in(registry: str, caplog: pytest.LogCaptureFixture) -> None:
    """As ``challenger`` does once it was promoted: its server is to come up again all the same."""
    nowhere, challenger = "models:/recommender@nowhere", "models:/recommender@challenger"
    with pytest.raises(NoSuchAlias, match="has no alias 'nowhere'; it has: challenger, champion"):
        load_source(nowhere, registry)
    found = load_source(nowhere, registry, challenger)
    assert (found.uri, found.version) == ("models:/recommender/2", "2")
    assert "models:/recommender@challenger is served instead" in caplog.text
    assert load_source("models:/recommender@champion", registry, challenger).version == "1"
    # Of a version that was asked for by its number nothing is made up.
    with pytest.raises(TrackingError):
        load_source("models:/recommender/9", registry, challenger)


def test_an_alias_is_pinned_when_the_server_starts(registry: str, tmp_path: Path) -> None:
    uri = registry
    with model_server(tmp_path, "--model-uri", "models:/recommender@champion", "--tracking-uri", uri) as process:
        with httpx.Client(base_url=process.url, trust_env=False) as http:
            assert ask(http, user_id=100)["model_version"] == "1"
            set_alias(connect(uri), "recommender", CHAMPION, "2")
            assert ask(http, user_id=100)["model_version"] == "1", "what is served never changes"
        log = process.command.log_file.read_text(encoding="utf-8")
    assert "models:/recommender@champion is pinned to models:/recommender/1" in log


def test_a_server_computes_on_one_thread() -> None:
    """Its lists are too small to share out, and BLAS's threads wait in busy loops."""
    code = (
        "import numpy, lightgbm, json; from threadpoolctl import threadpool_info; "
        "from serving.model_server import single_threaded; single_threaded(); "
        "print(json.dumps([pool['num_threads'] for pool in threadpool_info()]))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(json.loads(found.stdout)) == {1}
