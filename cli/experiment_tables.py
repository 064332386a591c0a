"""An analysis of anyone's experiment on the terminal: the verdict, tables of figures, sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from experiments.analysis import Finding
from experiments.figures import Language, count, pvalue
from experiments.metric_figures import effect_text, interval_text, relative_text, value_text
from experiments.verdict_words import SENTENCES, finding_effect_text, finding_interval_text, numbers_sentences
from serving.analysis.analysed import Analysed, SegmentedMetric
from serving.analysis.over_time import OverTime
from serving.analysis.report import remarks, sentence
from serving.analysis.time_report import period_rows, time_sentences

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
        "period": "period",
        "so_far": "so far",
        "so_far_interval": "interval so far",
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
        "period": "기간",
        "so_far": "누적 차이",
        "so_far_interval": "누적 구간",
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
    names: tuple[str, ...] = (
        "metric",
        "variant",
        "value",
        "control",
        "difference",
        "relative",
        "interval",
        "pvalue_adjusted",
    )
    out.print(_table(language, names, comparison_rows(found, language), texts=2))
    for finding in found.analysis.findings:
        for line in numbers_sentences(found.analysis, finding, language):
            out.print(f"- {line}", soft_wrap=True)
    for line in remarks(found, language):
        out.print(f"- {line}", soft_wrap=True)
    for one in found.segments:
        out.print(f"\n{segments_sentence(found, one, language)}", soft_wrap=True)
        names = ("segment", "units", "difference", "relative", "interval", "pvalue_adjusted")
        out.print(_table(language, names, segment_rows(found, one, language), texts=1))
    if found.over_time is not None and found.over_time.period is not None:
        names = ("period", "metric", "variant", "units", "difference", "interval", "so_far", "so_far_interval")
        out.print()
        out.print(_table(language, names, period_table_rows(found.over_time, language), texts=3))
    for line in time_sentences(found, language):
        out.print(f"- {line}", soft_wrap=True)


def heading(language: Language, name: str) -> str:
    """What a column is called."""
    return _HEADINGS[language][name]


def comparison_rows(found: Analysed, language: Language) -> list[tuple[str, ...]]:
    """Metric, variant, both values, and the figures of the comparison."""
    return [
        (
            finding.metric.name,
            finding.variant,
            value_text(finding.metric, finding.comparison.treatment_value, language),
            value_text(finding.metric, finding.comparison.control_value, language),
            *_figures(finding, language),
        )
        for finding in found.analysis.findings
    ]


def segments_sentence(found: Analysed, one: SegmentedMetric, language: Language) -> str:
    """What a table of segments is of."""
    return SENTENCES[language]["segments"].format(
        metric=one.metric.name,
        variant=one.variant,
        control=found.analysis.plan.control,
        heterogeneity=pvalue(one.report.heterogeneity.pvalue),
    )


def segment_rows(found: Analysed, one: SegmentedMetric, language: Language) -> list[tuple[str, ...]]:
    """Segment, units, and the figures of the comparison within it."""
    whole = next(
        finding for finding in found.analysis.findings if (finding.metric, finding.variant) == (one.metric, one.variant)
    )
    rows = []
    for row in one.report.segments:
        part = whole._replace(comparison=row.comparison, pvalue_adjusted=row.pvalue_adjusted)
        units = count(row.comparison.control_n + row.comparison.treatment_n)
        rows.append((row.segment, units, *_figures(part, language)))
    return rows


def period_table_rows(seen: OverTime, language: Language) -> list[tuple[str, ...]]:
    """Period, metric, variant, units that came, the difference in it and until its end."""
    return [
        (
            period,
            one.metric.name,
            one.variant,
            count(reading.alone.control_n + reading.alone.treatment_n),
            effect_text(one.metric, reading.alone.effect_size, language),
            interval_text(one.metric, reading.alone.ci_lower, reading.alone.ci_upper, language),
            effect_text(one.metric, reading.so_far.effect_size, language),
            interval_text(one.metric, reading.so_far.ci_lower, reading.so_far.ci_upper, language),
        )
        for one, reading, period in period_rows(seen)
    ]


def _table(language: Language, names: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int) -> Table:
    """Columns of texts, then of numbers."""
    made = Table(box=None, pad_edge=False)
    for place, name in enumerate(names):
        if place < texts:
            # Broken where a line is too short, never cut: nothing of a name may be lost.
            made.add_column(heading(language, name), overflow="fold")
        else:
            made.add_column(heading(language, name), justify="right", no_wrap=True)
    for row in rows:
        made.add_row(*row)
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
