"""What a rollout that was rolled back for its answers tells a reader to look at and to change."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from core.settings import load_settings
from serving.failed_answers import FailedAnswers, failed_answers, failure_hints
from serving.lists import LEFT_ALONE
from serving.logs import JsonLines
from serving.rollout_folder import RolloutFolder, RolloutRequest

LOG = """\
2026-11-29 02:32:06,335 WARNING __main__: policy server on http://127.0.0.1:45211, event log events.db
2026-11-29 02:32:07,101 WARNING serving.lists: challenger failed: model server http://c did not answer within 2 s
2026-11-29 02:32:07,102 WARNING serving.lists: champion failed: model server http://b did not answer within 2 s
2026-11-29 02:32:07,301 WARNING serving.lists: challenger failed: model server http://c did not answer within 2 s
2026-11-29 02:32:08,412 WARNING serving.lists: challenger failed: model server http://c cannot be reached: gone
"""


@pytest.fixture
def folder(tmp_path: Path) -> RolloutFolder:
    folder = RolloutFolder(tmp_path)
    folder.servers.mkdir()
    (folder.servers / "policy.log").write_text(LOG)
    return folder


def request(folder: RolloutFolder) -> RolloutRequest:
    spec = {"name": "small", "variants": {"champion": "models:/m/1", "challenger": "models:/m/2"}}
    given = {"spec": spec, "run_dir": folder.path, "dataset": folder.path, "tracking_uri": "sqlite:////tmp/mlflow.db"}
    return folder.keep_request(RolloutRequest.build(**given), load_settings())


def test_a_log_as_json_is_read_like_one_as_text(tmp_path: Path) -> None:
    line = JsonLines().format
    messages = [text.partition(": ")[2] for text in LOG.splitlines()]
    records = [logging.LogRecord("serving.lists", logging.WARNING, "", 0, text, (), None) for text in messages]
    (tmp_path / "policy.log").write_text("".join(f"{line(record)}\n" for record in records))
    assert failed_answers(tmp_path / "policy.log", "challenger") == FailedAnswers(late=2, other=1)


def test_late_answers_are_told_from_failed_ones(folder: RolloutFolder) -> None:
    assert failed_answers(folder.servers / "policy.log", "challenger") == FailedAnswers(late=2, other=1)
    assert failed_answers(folder.servers / "policy.log", "control") == FailedAnswers(0, 0)
    assert failed_answers(folder.path / "nothing.log", "challenger") == FailedAnswers(0, 0)


def test_who_reads_of_errors_is_told_which_and_what_helps(folder: RolloutFolder) -> None:
    [(name, text)] = failure_hints(folder, request(folder), ("error_rate",))
    assert name == "failed answers"
    assert text == (
        f"2 of the challenger's answers took longer than 2 s, 1 failed otherwise ({folder.servers / 'policy.log'}); "
        "against late ones: a longer SCREENTEST_MODEL_TIMEOUT_S, a lower SCREENTEST_CONNECTIONS than 24; which models "
        "are slow: docs/MODELS.md"
    )


def test_who_reads_of_errors_is_told_that_some_calls_were_not_made(folder: RolloutFolder) -> None:
    line = f"2026-11-29 02:32:08,413 WARNING serving.lists: challenger: model server http://c {LEFT_ALONE}\n"
    (folder.servers / "policy.log").write_text(LOG + line)
    [(_, text)] = failure_hints(folder, request(folder), ("error_rate",))
    assert "sessions for which it was not asked, right after several failures, count as failed too" in text


def test_settings_are_named_where_answers_were_late_alone(folder: RolloutFolder) -> None:
    (folder.servers / "policy.log").write_text(LOG.splitlines()[-1])
    [(_, text)] = failure_hints(folder, request(folder), ("error_rate",))
    assert "1 failed otherwise" in text
    assert "SCREENTEST" not in text


def test_slow_answers_have_a_hint_and_other_reasons_none(folder: RolloutFolder) -> None:
    [(name, text)] = failure_hints(folder, request(folder), ("latency",))
    assert name == "slow answers"
    assert "a lower SCREENTEST_CONNECTIONS than 24" in text
    assert failure_hints(folder, request(folder), ("primary_worse",)) == ()
