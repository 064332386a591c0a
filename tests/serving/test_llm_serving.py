"""A model with a chat model behind it, served as a process over real HTTP: answers, fallback, and nobody waits."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import httpx
import pytest

from serving.processes import ServerProcess
from tests.chat_server import KEY, ChatServer, chat_server
from tests.served_model import V1, model_command
from tests.small_registry import SmallLoader
from wrappers.langgraph_wrapper import LangGraphWrapper

START_S = 60
ASKED = {"user_id": 100, "k": 5}
#: Nothing here waits for it, and a machine under load does not miss it.
DEADLINE_S = 60.0


class Served(NamedTuple):
    http: httpx.Client
    process: ServerProcess
    chat: ChatServer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("llm")
    options = {"deadline_s": DEADLINE_S, "timeout_s": DEADLINE_S, "retries": 0, "n_candidates": 8}
    LangGraphWrapper(options).prepare(SmallLoader()).save(folder / "model")
    with chat_server() as chat:
        environment = {"OPENAI_BASE_URL": chat.url, "OPENAI_API_KEY": KEY}
        process = ServerProcess(model_command(folder, "--model-uri", str(folder / "model"), environment=environment))
        try:
            process.wait_ready(START_S)
            with httpx.Client(base_url=process.url, trust_env=False, timeout=30) as http:
                yield Served(http, process, chat)
        finally:
            process.stop()
        log = process.command.log_file.read_text(encoding="utf-8")
    assert KEY not in log
    assert "Unclosed" not in log, log


@pytest.fixture(autouse=True)
def chat_behaves(served: Served) -> None:
    served.chat.always = "ok"
    while served.chat.arrived.acquire(blocking=False):
        """Requests of the test before."""


def figure(served: Served, name: str) -> float:
    wanted = f'screentest_model_figures_total{{figure="{name}"}} '
    lines = served.http.get("/metrics").text.splitlines()
    return sum(float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted))


def test_both_routes_answer_with_the_chat_model_s_order(served: Served) -> None:
    lean = served.http.post("/recommend", json=ASKED).json()
    [v1] = served.http.post(V1, json={"instances": [ASKED]}).json()["predictions"]
    assert lean["llm"] == v1["llm"] == {"outcome": "reranked", "reason": ""}
    assert lean["items"] == v1["items"]
    assert len(v1["items"]) == 5


def test_nobody_waits_for_those_who_wait_for_the_chat_model(served: Served) -> None:
    served.chat.always = "hold"
    served.chat.released.clear()
    asked = [{**ASKED, "user_id": 100 + number} for number in range(12)]
    with ThreadPoolExecutor(len(asked)) as threads:
        waiting = [threads.submit(served.http.post, "/recommend", json=one) for one in asked]
        assert all(served.chat.arrived.acquire(timeout=START_S) for _ in waiting), "all of them are on their way"
        assert served.http.get("/readyz").status_code == 200
        assert served.http.post("/recommend", json={"user_id": "nobody"}).json()["cold"] is True
        assert not any(one.done() for one in waiting)
        served.chat.released.set()
        assert {one.result().json()["llm"]["outcome"] for one in waiting} == {"reranked"}


def test_a_chat_model_that_fails_costs_its_order_only(served: Served) -> None:
    before = figure(served, "llm_fallback_unavailable")
    served.chat.always = "broken"
    answer = served.http.post("/recommend", json=ASKED).json()
    assert answer["llm"] == {"outcome": "fallback", "reason": "unavailable"}
    assert len(answer["items"]) == 5
    assert figure(served, "llm_fallback_unavailable") == before + 1


def test_figures_are_published(served: Served) -> None:
    before = figure(served, "llm_prompt_tokens")
    served.http.post("/recommend", json=ASKED)
    assert figure(served, "llm_prompt_tokens") > before
    assert figure(served, "llm_answered") >= 1
    assert KEY not in served.http.get("/metrics").text


def test_bad_input_is_refused_as_everywhere(served: Served) -> None:
    assert served.http.post("/recommend", json={"user_id": 1, "k": 0}).status_code == 400
