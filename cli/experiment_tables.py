"""An analysis of anyone's experiment on the terminal: the verdict, tables of figures, sentences."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Table

from cli.experiment_analysis import Analysed, SegmentedMetric
from cli.experiment_report import remarks, sentence
from experiments.analysis import Finding
from experiments.figures import Language, count, pvalue
from experiments.metric_figures import relative_text, value_text
from experiments.verdict_words import SENTENCES, finding_effect_text, finding_interval_text, numbers_sentences

_HEADINGS: dict[Language, dict[str, str]] = {
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
#: Columns where nobody looks at a terminal: no table is that wide, and none is cut.
_WIDE = 400


def console() -> Console:
    """Where things are told: names may hold brackets, which are no markup; a pipe or file has no right margin."""
    found = Console(highlight=False, markup=False, emoji=False)
    if not found.is_terminal:
        found.width = _WIDE
    return found


def tell(found: Analysed, language: Language) -> None:
    """All of it, in one language."""
    out = console()
    out.print(sentence(found, language), style="bold", soft_wrap=True)
    out.print(_comparisons(found, language))
    for finding in found.analysis.findings:
        for line in numbers_sentences(found.analysis, finding, language):
            out.print(f"- {line}", soft_wrap=True)
    for line in remarks(found, language):
        out.print(f"- {line}", soft_wrap=True)
    for one in found.segments:
        told = SENTENCES[language]["segments"].format(
            metric=one.metric.name,
            variant=one.variant,
            control=found.analysis.plan.control,
            heterogeneity=pvalue(one.report.heterogeneity.pvalue),
        )
        out.print(f"\n{told}", soft_wrap=True)
        out.print(_segments(found, one, language))


def table(language: Language, *names: str, texts: int) -> Table:
    """Columns of texts, then of numbers."""
    made = Table(box=None, pad_edge=False)
    for place, name in enumerate(names):
        if place < texts:
            # Broken where a line is too short, never cut: nothing of a name may be lost.
            made.add_column(_HEADINGS[language][name], overflow="fold")
        else:
            made.add_column(_HEADINGS[language][name], justify="right", no_wrap=True)
    return made


def _comparisons(found: Analysed, language: Language) -> Table:
    names = ("metric", "variant", "value", "control", "difference", "relative", "interval", "pvalue_adjusted")
    made = table(language, *names, texts=2)
    for finding in found.analysis.findings:
        compared = finding.comparison
        made.add_row(
            finding.metric.name,
            finding.variant,
            value_text(finding.metric, compared.treatment_value, language),
            value_text(finding.metric, compared.control_value, language),
            *_figures(finding, language),
        )
    return made


def _segments(found: Analysed, one: SegmentedMetric, language: Language) -> Table:
    made = table(language, "segment", "units", "difference", "relative", "interval", "pvalue_adjusted", texts=1)
    whole = next(
        finding for finding in found.analysis.findings if (finding.metric, finding.variant) == (one.metric, one.variant)
    )
    for row in one.report.segments:
        part = whole._replace(comparison=row.comparison, pvalue_adjusted=row.pvalue_adjusted)
        units = count(row.comparison.control_n + row.comparison.treatment_n)
        made.add_row(row.segment, units, *_figures(part, language))
    return made


def _figures(finding: Finding, language: Language) -> tuple[str, ...]:
    """Difference, relative difference, interval and p-value."""
    compared = finding.comparison
    effect = finding_effect_text(finding, language)
    if finding.effect_kind == "probability_of_superiority" and not math.isnan(compared.effect_size):
        effect = f"P(>) {effect}"
    return (
        effect,
        relative_text(compared.rel_effect_size, language),
        finding_interval_text(finding, language),
        pvalue(finding.pvalue_adjusted),
    )
