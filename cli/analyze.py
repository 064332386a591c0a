"""``screentest analyze``: anyone's experiment from a file, with a verdict that does not fool its reader."""

from __future__ import annotations

import json as json_format
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.output_file import write_output
from core.errors import ConfigError

if TYPE_CHECKING:
    from cli.experiment_analysis import Analysed, SegmentedMetric
    from experiments.figures import Language
    from experiments.inference.comparison import Comparison
    from experiments.metrics import Metric

_AS_JSON = {"en": "as JSON", "ko": "JSON 파일"}
_HEADINGS = {
    "en": {
        "metric": "metric",
        "variant": "variant",
        "value": "value",
        "control": "control",
        "segment": "segment",
        "units": "units",
        "difference": "difference",
        "relative": "relative",
        "interval": "interval",
        "pvalue_adjusted": "p",
    },
    "ko": {
        "metric": "지표",
        "variant": "변형안",
        "value": "값",
        "control": "기준안",
        "segment": "세그먼트",
        "units": "대상",
        "difference": "차이",
        "relative": "상대 차이",
        "interval": "구간",
        "pvalue_adjusted": "p",
    },
}


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
        float | None,
        typer.Option(
            help="sequential: units of two arms at which it is tightest, chosen before the first look.",
            show_default="5000",
        ),
    ] = None,
    look: Annotated[
        str, typer.Option(help="group: which look of how many this is, e.g. 2/5.", show_default="1/1")
    ] = "",
    loss: Annotated[
        float | None,
        typer.Option(
            help="bayesian: relative loss that you do not mind on average; .001 is .1 %.", show_default="0.001"
        ),
    ] = None,
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
    from cli.experiment_analysis import analysed
    from cli.experiment_question import Question
    from cli.experiment_report import document
    from experiments.analysis import LOSS_THRESHOLD, N_STAR, AnalysisPlan
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
    for option, given, belongs in (
        ("look", bool(look), Method.group),
        ("n-star", n_star is not None, Method.sequential),
        ("loss", loss is not None, Method.bayesian),
    ):
        if given and method is not belongs:
            raise ConfigError(f"--{option} belongs to --method {belongs.value}, not to {method.value}; leave it out")
    this_look, looks = _look(look or "1/1")
    plan = AnalysisPlan(
        control=control,
        method=method.value,
        alpha=alpha,
        correction=correction.value,
        n_star=N_STAR if n_star is None else n_star,
        look=this_look,
        looks=looks,
        prior=NormalPrior(0.0, prior_sd) if prior_sd else FLAT,
        loss_threshold=LOSS_THRESHOLD if loss is None else loss,
        weights=_weights(weights),
    )
    found = analysed(file, question, plan)
    text = json_format.dumps(document(found), indent=2, ensure_ascii=False)
    if out is not None:
        write_output(out, text + "\n")
    if json:
        typer.echo(text)
        return
    _tell(found, lang.value)
    if out is not None:
        typer.echo(f"{_AS_JSON[lang.value]}: {out}")


def _look(text: str) -> tuple[int, int]:
    this, slash, looks = text.partition("/")
    if not (slash and this.isdigit() and looks.isdigit()):
        raise ConfigError(f"look == {text!r}, must be LOOK/LOOKS, e.g. 2/5")
    return int(this), int(looks)


def _weights(text: str) -> dict[str, float] | None:
    found: dict[str, float] = {}
    given: list[str] = []
    for part in filter(None, text.split(",")):
        name, equals, weight = part.rpartition("=")
        try:
            found[name] = float(weight)
        except ValueError:
            equals = ""
        if not equals:
            raise ConfigError(f"weights == {text!r}, must be VARIANT=NUMBER,…, e.g. control=50,b=50")
        if name in given:
            raise ConfigError(f"weights == {text!r} names {name!r} twice")
        given.append(name)
    return found or None


def _tell(found: Analysed, language: Language) -> None:
    from cli.experiment_report import remarks, sentence
    from experiments.figures import pvalue
    from experiments.verdict_words import SENTENCES, numbers_sentences

    # Names may hold brackets, which are no markup.
    console = Console(highlight=False, markup=False, emoji=False)
    console.print(sentence(found, language), style="bold", soft_wrap=True)
    console.print(_comparisons(found, language))
    for finding in found.analysis.findings:
        for line in numbers_sentences(found.analysis, finding, language):
            console.print(f"- {line}", soft_wrap=True)
    for line in remarks(found, language):
        console.print(f"- {line}", soft_wrap=True)
    for one in found.segments:
        told = SENTENCES[language]["segments"].format(
            metric=one.metric.name,
            variant=one.variant,
            control=found.analysis.plan.control,
            heterogeneity=pvalue(one.report.heterogeneity.pvalue),
        )
        console.print(f"\n{told}", soft_wrap=True)
        console.print(_segments(one, language))


def _comparisons(found: Analysed, language: Language) -> Table:
    from experiments.metric_figures import value_text

    names = ("metric", "variant", "value", "control", "difference", "relative", "interval", "pvalue_adjusted")
    table = _table(language, *names, texts=2)
    for finding in found.analysis.findings:
        compared = finding.comparison
        table.add_row(
            finding.metric.name,
            finding.variant,
            value_text(finding.metric, compared.treatment_value, language),
            value_text(finding.metric, compared.control_value, language),
            *_figures(finding.metric, compared, finding.pvalue_adjusted, language),
        )
    return table


def _segments(one: SegmentedMetric, language: Language) -> Table:
    from experiments.figures import count

    table = _table(language, "segment", "units", "difference", "relative", "interval", "pvalue_adjusted", texts=1)
    for row in one.report.segments:
        compared = row.comparison
        units = count(compared.control_n + compared.treatment_n)
        table.add_row(row.segment, units, *_figures(one.metric, compared, row.pvalue_adjusted, language))
    return table


def _figures(metric: Metric, compared: Comparison, pvalue_adjusted: float, language: Language) -> tuple[str, ...]:
    """Difference, relative difference, interval and p-value."""
    from experiments.figures import pvalue
    from experiments.metric_figures import effect_text, interval_text, relative_text

    return (
        effect_text(metric, compared.effect_size, language),
        relative_text(compared.rel_effect_size, language),
        interval_text(metric, compared.ci_lower, compared.ci_upper, language),
        pvalue(pvalue_adjusted),
    )


def _table(language: Language, *names: str, texts: int) -> Table:
    """Columns of texts, then of numbers."""
    table = Table(box=None, pad_edge=False)
    for place, name in enumerate(names):
        if place < texts:
            # Broken where a line is too short, never cut: nothing of a name may be lost.
            table.add_column(_HEADINGS[language][name], overflow="fold")
        else:
            table.add_column(_HEADINGS[language][name], justify="right", no_wrap=True)
    return table
