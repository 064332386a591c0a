"""What may be asked of a training run is checked before anything runs, in one line."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import BadInput
from wrappers.registry import MODELS
from wrappers.retrain_arguments import DEFAULT_MODELS, RetrainArguments


def test_what_is_not_said_is_the_default() -> None:
    asked = RetrainArguments.parse({})
    assert (tuple(asked.models), asked.configs, asked.seed) == (DEFAULT_MODELS, {}, 42)
    assert set(DEFAULT_MODELS) <= set(MODELS)
    assert RetrainArguments.parse(asked.model_dump()) == asked


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"models": ["alss"]}, "unknown model 'alss'"),
        ({"models": []}, "models == \\[\\]"),
        ({"models": ["ease", "ease"]}, "must name each model once"),
        ({"models": "ease"}, "valid list"),
        ({"models": ["ease"], "configs": {"als": {}}}, "configs name als, which are not among the models"),
        ({"models": ["ease"], "configs": {"ease": {"reg": -1}}}, "reg == -1"),
        ({"seed": -1}, "seed == -1"),
        ({"seed": "1"}, "seed == '1'"),
        ({"data": "/etc/passwd"}, "data == '/etc/passwd': Extra inputs"),
    ],
)
def test_what_may_not_be_asked_is_refused(document: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message) as refused:
        RetrainArguments.parse(document)
    assert "\n" not in str(refused.value)
