"""An analysed experiment in the terminal: the verdict, tables, and sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from cli.experiment_analysis import Analysed, SegmentedMetric
    from experiments.figures import Language
    from experiments.inference.comparison import Comparison
    from experiments.metrics import Metric

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


def tell(found: Analysed, language: Language) -> None:
    """Print verdict, comparisons, what must be known about them, and segments."""
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
