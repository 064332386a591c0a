"""``screentest forecast``: predictions that were kept before a test, held against what the test found."""

from __future__ import annotations

import json as json_format
import math
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from experiments.figures import Language
    from experiments.forecast import ForecastCalibration, ForecastError, Outcome, Prediction

app = typer.Typer(no_args_is_help=True)

SENTENCES: dict[Language, dict[str, str]] = {
    "en": {
        "agrees": "{file}: {source} foretold {predicted} ({interval}), found was {observed}: they agree (z {z}).",
        "above": "{file}: {source} foretold {predicted} ({interval}), found was {observed}: it was too high (z {z}).",
        "below": "{file}: {source} foretold {predicted} ({interval}), found was {observed}: it was too low (z {z}).",
        "no_prediction": "{file}: {source} foretold no figure with an interval; there is nothing to compare.",
        "no_outcome": "{file}: {source} foretold {predicted}, but the test found no figure.",
    },
    "ko": {
        "agrees": "{file}: 예측({source}) {predicted}({interval}), 실험 결과 {observed}. 서로 맞습니다(z {z}).",
        "above": "{file}: 예측({source}) {predicted}({interval}), 실험 결과 {observed}. 예측이 너무 높았습니다(z {z}).",
        "below": "{file}: 예측({source}) {predicted}({interval}), 실험 결과 {observed}. 예측이 너무 낮았습니다(z {z}).",
        "no_prediction": "{file}: 예측({source})에 구간이 있는 수치가 없어 견줄 것이 없습니다.",
        "no_outcome": "{file}: 예측({source}) {predicted}. 실험에서 나온 수치가 없습니다.",
    },
}


class Lang(StrEnum):
    """Of the sentences."""

    en = "en"
    ko = "ko"


@app.callback()
def forecast() -> None:
    """Hold what was foretold of an uplift against what a test found."""


@app.command("check")
def check(
    files: Annotated[list[Path], typer.Argument(help="Predictions, as `screentest ope --forecast FILE` writes them.")],
    outcome: Annotated[
        list[str],
        typer.Option(help="What the test found, EFFECT,LOWER,UPPER: one for all files, or one each, in their order."),
    ] = [],  # noqa: B006
    analysis: Annotated[
        list[Path], typer.Option(help="Instead: what `screentest analyze --out FILE` wrote, one for all or one each.")
    ] = [],  # noqa: B006
    metric: Annotated[str, typer.Option(help="Of an analysis: which metric; the first if not given.")] = "",
    variant: Annotated[str, typer.Option(help="Of an analysis: which variant; the first if not given.")] = "",
    alpha: Annotated[float, typer.Option(help="An outcome's interval misses with this probability.")] = 0.05,
    lang: Annotated[Lang, typer.Option(help="Language of the sentences.")] = Lang.en,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Tell how predictions compare with outcomes; over several, how each source did on the whole.

    Both must be of the same kind: an absolute uplift a row, as `ope` tells it, is the absolute effect on a mean a row.
    """
    from experiments.forecast import calibration_by_source, forecast_error, prediction_from_document

    if bool(outcome) == bool(analysis):
        raise ConfigError("give what the test found, as --outcome EFFECT,LOWER,UPPER or as --analysis FILE, not both")
    found = [_outcome(text, alpha) for text in outcome] or [_analysed(file, metric, variant) for file in analysis]
    if len(found) not in (1, len(files)):
        raise ConfigError(f"{len(found)} outcomes for {len(files)} predictions; give one for all, or one each")
    predictions = [_read(file, prediction_from_document) for file in files]
    observed = found * (len(files) if len(found) == 1 else 1)
    errors = [forecast_error(*pair) for pair in zip(predictions, observed, strict=True)]
    table = calibration_by_source(errors)
    if json:
        told = {
            "errors": [{"file": str(file), **one.as_document()} for file, one in zip(files, errors, strict=True)],
            "calibration": [one.as_document() for one in table],
        }
        typer.echo(json_format.dumps(told, indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False)
    for file, told_before, one in zip(files, predictions, errors, strict=True):
        console.print(_sentence(file, told_before, one, lang.value), soft_wrap=True, markup=False)
    if len(files) > 1:
        console.print()
        console.print(_calibration(table, lang.value))


def _outcome(text: str, alpha: float) -> Outcome:
    from scipy import special

    from experiments.forecast import Outcome
    from experiments.inference.comparison import check_alpha

    check_alpha(alpha)
    try:
        effect, lower, upper = (float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"outcome == {text!r}, must be EFFECT,LOWER,UPPER, e.g. 0.012,0.004,0.02") from None
    if not (lower <= effect <= upper and math.isfinite(upper - lower)):
        raise ConfigError(f"outcome == {text!r}; the effect must lie in its own finite interval")
    return Outcome(effect, (upper - lower) / (-2 * float(special.ndtri(alpha / 2))))


def _analysed(file: Path, metric: str, variant: str) -> Outcome:
    from experiments.forecast import Outcome

    def outcome(document: Any) -> Outcome:
        compared = document.get("comparisons", []) if isinstance(document, dict) else []
        names = [(one["metric"], one["variant"]) for one in compared]
        chosen = [one for one in compared if metric in ("", one["metric"]) and variant in ("", one["variant"])]
        if not chosen:
            known = "; ".join(f"{one} of {arm}" for one, arm in names) or "nothing"
            raise DataError(f"holds no comparison of metric {metric!r} and variant {variant!r}; it holds {known}")
        if chosen[0].get("effect_kind", "difference") != "difference":
            raise DataError(
                f"compares {chosen[0]['metric']!r} by {chosen[0]['effect_kind']}, which is no uplift; analyse it by a "
                "test of differences"
            )
        effect, se = (math.nan if chosen[0][name] is None else chosen[0][name] for name in ("effect_size", "se"))
        return Outcome(float(effect), float(se))

    found: Outcome = _read(file, outcome)
    return found


def _read(file: Path, made: Any) -> Any:
    """What ``made`` makes of a JSON file; what is wrong is told with the file's name."""
    try:
        document = json_format.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"is no JSON that can be read: {str(error).splitlines()[0]}", file=str(file)) from error
    try:
        return made(document)
    except DataError as error:
        raise DataError(error.problem, file=str(file)) from error
    except (KeyError, TypeError) as error:
        raise DataError(f"is not of the kind that was expected: {error!r}", file=str(file)) from error


def _sentence(file: Path, prediction: Prediction, error: ForecastError, language: Language) -> str:
    from experiments.metric_figures import effect_text, interval_text
    from experiments.metrics import Metric

    kind = error.status if error.status != "ok" else "agrees" if error.covered else "above" if error.z > 0 else "below"
    uplift = Metric("uplift", "mean", "uplift")
    return SENTENCES[language][kind].format(
        file=file.name,
        source=error.source,
        predicted=effect_text(uplift, error.predicted, language),
        interval=interval_text(uplift, prediction.ci_lower, prediction.ci_upper, language),
        observed=effect_text(uplift, error.observed, language),
        z=f"{error.z:.2f}",
    )


def _calibration(table: Sequence[ForecastCalibration], language: Language) -> Table:
    from experiments.figures import count, percent
    from experiments.metric_figures import effect_text, interval_text
    from experiments.metrics import Metric

    uplift = Metric("uplift", "mean", "uplift")
    shown = Table(box=None, pad_edge=False)
    shown.add_column("source", overflow="fold")
    for name in ("pairs", "agree", "should", "mean error", "interval", "same sign"):
        shown.add_column(name, justify="right", no_wrap=True)
    for one in table:
        shown.add_row(
            one.source,
            count(one.n),
            percent(one.coverage, language),
            percent(one.nominal, language),
            effect_text(uplift, one.mean_error, language),
            interval_text(uplift, one.mean_error_lower, one.mean_error_upper, language),
            percent(one.sign_agreement, language),
        )
    return shown
