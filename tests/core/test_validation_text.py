import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.validation_text import Problem, in_one_line


class Inner(BaseModel):
    percent: int = Field(ge=1)


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    steps: list[Inner]


def test_every_value_at_fault_is_named_with_its_place() -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"steps": [{"percent": 5}, {"percent": 0}], "more": "x"})
    assert in_one_line(caught.value) == (
        "steps.1.percent == 0: Input should be greater than or equal to 1; more == 'x': Extra inputs are not permitted"
    )


def test_whoever_asks_says_how_a_problem_is_told() -> None:
    seen: list[Problem] = []

    def write(problem: Problem) -> str:
        seen.append(problem)
        return "told"

    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(None)
    assert in_one_line(caught.value, write) == "told"
    assert (seen[0].name, seen[0].given, seen[0].kind) == ("", None, "model_type")
