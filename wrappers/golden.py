"""Golden sets: questions to a graph with the answers that are expected, and how near it comes to them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import DataError
from core.validation_text import in_one_line

_SHIPPED = Path(__file__).parent / "graphs" / "golden.yaml"


class GoldenExample(BaseModel):
    """One question and its answer, as a golden set holds it.

    Attributes:
        history: Lines that tell what the person liked.
        shortlist: Lines of the items to rank or explain; none twice.
        expected: Rerank: the lines that come first, in order. Explain: a text for each item.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    history: list[str] = []
    shortlist: list[str] = Field(min_length=1)
    expected: list[str] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _input_beside_expected(cls, given: Any) -> Any:
        """``{"input": {"history", "shortlist"}, "expected"}`` is how golden sets are written."""
        if isinstance(given, dict) and isinstance(given.get("input"), dict):
            return {**given["input"], **{name: value for name, value in given.items() if name != "input"}}
        return given

    @model_validator(mode="after")
    def _lines_are_told_apart(self) -> GoldenExample:
        if len(set(self.shortlist)) < len(self.shortlist):
            raise ValueError("shortlist holds a line twice")
        return self


class GoldenAnswer(NamedTuple):
    """What a graph made of an example.

    Attributes:
        lines: Titles in order, or a text per item.
        reason: Why they are the fallback's; empty where they are the chat model's.
    """

    lines: list[str]
    reason: str


@dataclass(frozen=True)
class GoldenResult:
    """How near a graph came.

    Attributes:
        n_examples: Examples asked.
        exact_match: Share of them whose first lines are the expected ones, apart from case and spaces.
        bleu: Of all answers, cut to the expected number of lines, against the expected (Papineni et al. 2002, as
            sacrebleu computes it), 0 … 100.
        judged: Mean of the judge's scores, 0 … 1; NaN without a judge or where it could not tell.
        fallbacks: Share of examples that the chat model did not answer, or not usably.
        rows: One per example, for people: expected, answer, exact_match, bleu, judged, reason.
    """

    n_examples: int
    exact_match: float
    bleu: float
    judged: float
    fallbacks: float
    rows: list[dict[str, Any]]

    @property
    def figures(self) -> dict[str, float]:
        """As metrics of a run; what is NaN is left out."""
        found = {
            "golden_examples": float(self.n_examples),
            "golden_exact_match": self.exact_match,
            "golden_bleu": self.bleu,
            "golden_judged": self.judged,
            "golden_fallbacks": self.fallbacks,
        }
        return {name: value for name, value in found.items() if not math.isnan(value)}


def read_golden_set(path: str, task: str) -> list[GoldenExample]:
    """Read a golden set.

    Args:
        path: JSON lines (``.jsonl``), or a list as JSON or YAML, each ``{"input": {"history", "shortlist"},
            "expected"}``; empty: the shipped one of the task.
        task: rerank or explain.

    Raises:
        DataError: The file cannot be read, or an example is not what it should be; names it.
    """
    file = Path(path) if path else _SHIPPED
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".jsonl":
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            rows = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"is no readable golden set ({reason}); must be JSON lines or YAML", file=str(file)) from error
    if not path:
        rows = rows[task]
    if not isinstance(rows, list) or not rows:
        raise DataError("holds no list of examples; must hold at least one", file=str(file))
    return [_example(row, task, number, str(file)) for number, row in enumerate(rows, start=1)]


def _example(row: Any, task: str, number: int, file: str) -> GoldenExample:
    try:
        example = GoldenExample.model_validate(row)
    except ValidationError as error:
        raise DataError(f"example {number}: {in_one_line(error)}", file=file) from error
    # Such an answer could never come, whatever the chat model says.
    if task == "rerank" and not set(example.expected) <= set(example.shortlist):
        raise DataError(f"example {number}: expected must hold lines of the shortlist", file=file)
    if task == "explain" and len(example.expected) != len(example.shortlist):
        raise DataError(f"example {number}: expected must hold a text for each line of the shortlist", file=file)
    return example


def compare(
    examples: Sequence[GoldenExample], answers: Sequence[GoldenAnswer], judged: Sequence[float]
) -> GoldenResult:
    """Compare answers with what was expected.

    Args:
        examples: (n) at least one.
        answers: (n) in the same order.
        judged: (n) a judge's scores, NaN where it could not tell or nobody judged.
    """
    from sacrebleu.metrics import BLEU

    told = [" ".join(answer.lines[: len(one.expected)]) for one, answer in zip(examples, answers, strict=True)]
    expected = [" ".join(one.expected) for one in examples]
    exact = [_plain(here) == _plain(there) for here, there in zip(told, expected, strict=True)]
    # Effective order: an expected answer may be shorter than four words.
    single = BLEU(effective_order=True)
    rows = [
        {
            "expected": wanted,
            "answer": here,
            "exact_match": match,
            "bleu": single.sentence_score(here, [wanted]).score,
            "judged": None if math.isnan(score) else score,
            "reason": answer.reason,
        }
        for wanted, here, match, score, answer in zip(expected, told, exact, judged, answers, strict=True)
    ]
    known = [score for score in judged if not math.isnan(score)]
    return GoldenResult(
        n_examples=len(examples),
        exact_match=sum(exact) / len(exact),
        bleu=BLEU().corpus_score(told, [expected]).score,
        judged=sum(known) / len(known) if known else math.nan,
        fallbacks=sum(bool(answer.reason) for answer in answers) / len(answers),
        rows=rows,
    )


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
