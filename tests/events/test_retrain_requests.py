"""Requests to train again: asked once, taken by one worker, and taken up again where that one died."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from core.errors import BadInput, RolloutError
from events.database import opened
from events.retrain_requests import (
    MOST_ATTEMPTS,
    claim_retrain,
    finish_retrain,
    give_back_retrain,
    list_retrains,
    load_retrain,
    renew_retrain,
    request_retrain,
)

ENDED = -1.0
"""A lease that has run out already."""


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    with opened(url) as engine:
        yield engine


def test_a_request_goes_from_waiting_to_done(engine: Engine) -> None:
    asked = request_retrain(engine, {"models": ["ease"]}, requested_by="ann", reason="drift")
    assert (asked.id, asked.state, asked.arguments, asked.attempts) == (1, "waiting", {"models": ["ease"]}, 0)
    assert claim_retrain(engine, "w1", lease_s=60) == load_retrain(engine, 1)
    taken = load_retrain(engine, 1)
    assert taken is not None
    assert (taken.state, taken.worker, taken.attempts) == ("running", "w1", 1)
    assert claim_retrain(engine, "w2", lease_s=60) is None
    assert renew_retrain(engine, 1, "w1", lease_s=120, progress="train-model: ease", run="/runs/r1")
    assert not renew_retrain(engine, 1, "w2", lease_s=120, progress="stolen")
    renewed = load_retrain(engine, 1)
    assert renewed is not None
    assert (renewed.progress, renewed.run) == ("train-model: ease", "/runs/r1")
    assert taken.lease_until is not None
    assert renewed.lease_until is not None
    assert renewed.lease_until > taken.lease_until + 50
    done = finish_retrain(engine, 1, "w1", "done", message="passed", result={"challenger": "models:/recommender/4"})
    assert (done.state, done.message, done.lease_until) == ("done", "passed", None)
    assert done.result == {"challenger": "models:/recommender/4"}
    assert not renew_retrain(engine, 1, "w1", lease_s=1)
    assert claim_retrain(engine, "w2", lease_s=60) is None
    assert list_retrains(engine) == [done]


def test_the_same_key_asks_once_and_for_one_thing(engine: Engine) -> None:
    first = request_retrain(engine, {"seed": 1}, requested_by="ann", key="k1")
    assert request_retrain(engine, {"seed": 1}, requested_by="bob", key="k1") == first
    assert request_retrain(engine, {"seed": 1}, requested_by="ann", key="k2").id == 2
    assert request_retrain(engine, {"seed": 1}, requested_by="ann").id == 3
    with pytest.raises(BadInput, match=r"key 'k1' asked for \{'seed': 1\} before \(request 1\)"):
        request_retrain(engine, {"seed": 2}, requested_by="ann", key="k1")
    for key in ("", "k" * 201):
        with pytest.raises(BadInput, match="must be of 1 … 200"):
            request_retrain(engine, {}, requested_by="ann", key=key)
    with pytest.raises(BadInput, match="NUL"):
        request_retrain(engine, {}, requested_by="ann", reason="a\0b")
    assert [one.id for one in list_retrains(engine, limit=2)] == [3, 2]


def test_a_key_sent_by_many_at_once_is_one_request(engine: Engine) -> None:
    ids: list[int] = []

    def ask() -> None:
        ids.append(request_retrain(engine, {}, requested_by="ann", key="same").id)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ids == [1] * 6


def test_the_dead_workers_request_is_taken_up_and_what_kills_every_worker_is_given_up(engine: Engine) -> None:
    request_retrain(engine, {}, requested_by="ann")
    for attempt in range(1, MOST_ATTEMPTS + 1):
        taken = claim_retrain(engine, f"w{attempt}", lease_s=ENDED)
        assert taken is not None
        assert (taken.worker, taken.attempts) == (f"w{attempt}", attempt)
    # Nobody finishes what is another's by now.
    with pytest.raises(RolloutError, match="request 1 is no longer that of worker 'w1'"):
        finish_retrain(engine, 1, "w1", "done", message="late")
    assert claim_retrain(engine, "last", lease_s=60) is None
    given_up = load_retrain(engine, 1)
    assert given_up is not None
    assert (given_up.state, given_up.message[:19]) == ("failed", "its worker died 3 t")


def test_a_stopped_workers_request_waits_again_and_costs_no_attempt(engine: Engine) -> None:
    request_retrain(engine, {}, requested_by="ann")
    for _ in range(MOST_ATTEMPTS + 1):
        assert claim_retrain(engine, "w1", lease_s=60) is not None
        back = give_back_retrain(engine, 1, "w1")
        assert (back.state, back.attempts, back.lease_until) == ("waiting", 0, None)
    with pytest.raises(RolloutError, match="no longer that of worker 'w1'"):
        give_back_retrain(engine, 1, "w1")


#: A worker process: takes what it can get, from the moment on that all are told.
TAKE_ALL = """
import json, sys, time
from events.database import opened
from events.retrain_requests import claim_retrain
url, name, begin = sys.argv[1:]
taken = []
with opened(url) as engine:
    time.sleep(max(0.0, float(begin) - time.time()))
    while (request := claim_retrain(engine, name, lease_s=60)) is not None:
        taken.append((request.id, name))
print(json.dumps(taken))
"""


def test_workers_in_several_processes_never_get_the_same(url: str) -> None:
    with opened(url) as engine:
        for _ in range(40):
            request_retrain(engine, {}, requested_by="ann")
    begin = str(time.time() + 2)
    workers = [
        subprocess.Popen([sys.executable, "-c", TAKE_ALL, url, f"w{one}", begin], stdout=subprocess.PIPE, text=True)
        for one in range(3)
    ]
    found = [tuple(one) for worker in workers for one in json.loads(worker.communicate(timeout=60)[0])]
    assert Counter(number for number, _ in found) == dict.fromkeys(range(1, 41), 1)
    with opened(url) as engine:
        assert {(one.id, one.worker) for one in list_retrains(engine)} == set(found)
