"""``screentest analyze``: anyone's experiment from a file, with a verdict that does not fool its reader."""

from __future__ import annotations

import json as json_format
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from core.errors import ConfigError
from core.files import write_whole

if TYPE_CHECKING:
    from cli.experiment_analysis import Analysed, SegmentedMetric
    from experiments.figures import Language


class Method(StrEnum):
    """How the figures are to be read."""

    fixed = "fixed"
    sequential = "sequential"
    group = "group"
    bayesian = "bayesian"


class Correction(StrEnum):
    """For several metrics and variants."""

    holm = "holm"
    bonferroni = "bonferroni"
    bh = "bh"
    none = "none"


class Lang(StrEnum):
    """Of the sentences."""

    en = "en"
    ko = "ko"


def analyze(
    file: Annotated[
        Path, typer.Argument(help="A CSV or Parquet file, or a folder of Parquet: a row per event or unit.")
    ],
    unit: Annotated[str, typer.Option(help="Column of what was randomised, e.g. user_id.")],
    variant: Annotated[str, typer.Option(help="Column of what the unit got.")],
    control: Annotated[str, typer.Option(help="The variant that the others are compared with.")],
    metric: Annotated[
        list[str],
        typer.Option(
            help="COLUMN[:mean|proportion|ratio|quantile[:LEVEL]], a ratio also as A/B:ratio. The first decides."
        ),
    ],
    covariate: Annotated[
        str, typer.Option(help="Column known before the experiment: takes variance away (CUPED). A/B for a ratio.")
    ] = "",
    segment: Annotated[str, typer.Option(help="Column to compare within, corrected for the number of segments.")] = "",
    method: Annotated[
        Method,
        typer.Option(
            help="fixed: one look, planned; sequential: as often as you like; group: a planned number of looks."
        ),
    ] = Method.fixed,
    lower_is_better: Annotated[list[str], typer.Option(help="A metric, as written above, that should fall.")] = [],  # noqa: B006
    guardrail: Annotated[list[str], typer.Option(help="A metric, as written above, that must not get worse.")] = [],  # noqa: B006
    alpha: Annotated[float, typer.Option(help="Error of the whole analysis.")] = 0.05,
    correction: Annotated[Correction, typer.Option(help="For several metrics and variants.")] = Correction.holm,
    n_star: Annotated[
        float, typer.Option(help="sequential: units at which it is tightest, chosen before the first look.")
    ] = 5000.0,
    look: Annotated[str, typer.Option(help="group: which look of how many this is, e.g. 2/5.")] = "1/1",
    prior_sd: Annotated[
        float, typer.Option(help="Standard deviation of relative lifts you expect; 0: flat prior.", min=0)
    ] = 0.0,
    weights: Annotated[str, typer.Option(help="Intended split, e.g. control=50,b=25,c=25; even if not given.")] = "",
    lang: Annotated[Lang, typer.Option(help="Language of the sentences.")] = Lang.en,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the JSON to this file too.")] = None,
) -> None:
    """Analyse an experiment of yours: effects with honest intervals, sample ratio, segments, and what to do.

    A unit with rows in two variants is left out of both and told; so is a unit with a missing number in a metric, for
    that metric. A unit's rows are added up first, since units were randomised and rows were not.
    """
    from cli.experiment_analysis import Question, analysed, document
    from experiments.analysis import AnalysisPlan
    from experiments.bayes.bayesian_lift import FLAT, NormalPrior

    question = Question(
        unit=unit,
        variant=variant,
        metrics=tuple(metric),
        segment=segment or None,
        guardrails=tuple(guardrail),
        covariate=covariate,
        lower_is_better=tuple(lower_is_better),
    )
    this_look, looks = _look(look)
    plan = AnalysisPlan(
        control=control,
        method=method.value,
        alpha=alpha,
        correction=correction.value,
        n_star=n_star,
        look=this_look,
        looks=looks,
        prior=NormalPrior(0.0, prior_sd) if prior_sd else FLAT,
        weights=_weights(weights),
    )
    found = analysed(file, question, plan)
    text = json_format.dumps(document(found), indent=2, ensure_ascii=False)
    if out is not None:
        write_whole(out, text + "\n")
    if json:
        typer.echo(text)
        return
    _tell(found, lang.value)
    if out is not None:
        typer.echo(f"as JSON: {out}")


def _look(text: str) -> tuple[int, int]:
    this, slash, looks = text.partition("/")
    if not (slash and this.isdigit() and looks.isdigit()):
        raise ConfigError(f"look == {text!r}, must be LOOK/LOOKS, e.g. 2/5")
    return int(this), int(looks)


def _weights(text: str) -> dict[str, float] | None:
    found: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, equals, weight = part.rpartition("=")
        try:
            found[name] = float(weight)
        except ValueError:
            equals = ""
        if not equals:
            raise ConfigError(f"weights == {text!r}, must be VARIANT=NUMBER,…, e.g. control=50,b=50")
    return found or None


def _tell(found: Analysed, language: Language) -> None:
    from experiments.verdict_words import numbers_sentences

    console = Console(highlight=False)
    console.print(found.sentence(language), style="bold", soft_wrap=True)
    console.print(_comparisons(found, language))
    for finding in found.analysis.findings:
        for sentence in numbers_sentences(found.analysis, finding, language):
            console.print(f"- {sentence}", soft_wrap=True)
    for line in found.remarks(language):
        console.print(f"- {line}", soft_wrap=True)
    for one in found.segments:
        told = f"{one.metric.name}, {one.variant} against {found.analysis.plan.control}, by segment"
        console.print(
            f"\n{told} (do they differ at all? p {_pvalue(one.report.heterogeneity.pvalue)}):", soft_wrap=True
        )
        console.print(_segments(one, language))


def _comparisons(found: Analysed, language: Language) -> Table:
    from experiments.verdict_words import effect_text, interval_text, value_text

    table = _table("metric", "variant", numbers=("value", "control", "difference", "relative", "interval", "p"))
    for finding in found.analysis.findings:
        compared = finding.comparison
        table.add_row(
            finding.metric.name,
            finding.variant,
            value_text(finding.metric, compared.treatment_value, language),
            value_text(finding.metric, compared.control_value, language),
            effect_text(finding.metric, compared.effect_size, language),
            _relative(compared.rel_effect_size, language),
            interval_text(finding.metric, compared.ci_lower, compared.ci_upper, language),
            _pvalue(finding.pvalue_adjusted),
        )
    return table


def _segments(one: SegmentedMetric, language: Language) -> Table:
    from experiments.figures import count
    from experiments.verdict_words import effect_text, interval_text

    table = _table("segment", numbers=("units", "difference", "relative", "interval", "p"))
    for row in one.report.segments:
        compared = row.comparison
        table.add_row(
            row.segment,
            count(compared.control_n + compared.treatment_n),
            effect_text(one.metric, compared.effect_size, language),
            _relative(compared.rel_effect_size, language),
            interval_text(one.metric, compared.ci_lower, compared.ci_upper, language),
            _pvalue(row.pvalue_adjusted),
        )
    return table


def _table(*names: str, numbers: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _relative(value: float, language: Language) -> str:
    from experiments.figures import relative

    return relative(value, language)


def _pvalue(value: float) -> str:
    from experiments.figures import pvalue

    return pvalue(value)
