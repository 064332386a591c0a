"""The other end of the back office: ``python -m serving.management.clerk results|registry|arguments``.

Reads a question a line from standard input and writes an answer a line to standard output: ``{"answer": …}``, or
``{"kind": "bad_input" | "conflict" | "failure", "error": reason}``. Ends with its standard input, or when nobody has
asked for ``IDLE_S``.
"""

from __future__ import annotations

import logging
import os
import select
import sys
from collections.abc import Callable
from typing import Any

import orjson

from core.errors import BadInput, RolloutError, ScreentestError
from core.settings import load_settings
from serving.logs import log_to_stderr

IDLE_S = 300.0
#: Lists go before answers to people.
_NICE = 10

_log = logging.getLogger(__name__)


def results_clerk() -> Callable[[dict[str, Any]], Any]:
    """Answers ``{"experiment": name, "look": 1}`` with the results of an A/B/n test or a bandit."""
    # What an analysis takes is imported before the first question, whose time counts.
    import duckdb  # noqa: F401
    import ibis  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    from events.database import open_database
    from serving.analysis.results import experiment_results
    from serving.experiment_lifecycle import known

    engine = open_database(load_settings().events_url.get_secret_value())

    def answer(question: dict[str, Any]) -> Any:
        return experiment_results(engine, known(engine, question["experiment"]), look=question["look"])

    return answer


def registry_clerk() -> Callable[[dict[str, Any]], Any]:
    """Answers anything with what MLflow's registry says of champion and challenger."""
    from serving.management.registry_document import registry_document
    from tracking.client import import_mlflow

    import_mlflow()
    settings = load_settings()
    return lambda _question: registry_document(settings)


def arguments_clerk() -> Callable[[dict[str, Any]], Any]:
    """Answers the arguments of a training run with all of them, checked: that imports the models that are named."""
    from wrappers.retrain_arguments import RetrainArguments

    return lambda given: RetrainArguments.parse(given).model_dump()


ROLES: dict[str, Callable[[], Callable[[dict[str, Any]], Any]]] = {
    "results": results_clerk,
    "registry": registry_clerk,
    "arguments": arguments_clerk,
}


def told(answer: Callable[[dict[str, Any]], Any], line: bytes) -> dict[str, Any]:
    """What is written for a question."""
    try:
        return {"answer": answer(orjson.loads(line))}
    except BadInput as error:
        return {"kind": "bad_input", "error": str(error)}
    except RolloutError as error:
        return {"kind": "conflict", "error": str(error)}
    except ScreentestError as error:
        return {"kind": "failure", "error": str(error)}


def main() -> int:
    """Answer until nobody asks any more; returns the exit code."""
    log_to_stderr()
    os.nice(_NICE)
    # Libraries print: what they say goes to the log, not between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    answer = ROLES[sys.argv[1]]()
    _say(answers, {"ready": True})
    while select.select([sys.stdin.buffer], [], [], IDLE_S)[0]:
        line = sys.stdin.buffer.readline()
        if not line:
            break
        _say(answers, told(answer, line))
    return 0


def _say(answers: Any, document: dict[str, Any]) -> None:
    answers.write(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS) + b"\n")
    answers.flush()


if __name__ == "__main__":
    sys.exit(main())
