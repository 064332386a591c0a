"""An analysis as one page: the verdict, figures, pictures, and what to know about them."""

from __future__ import annotations

from pathlib import Path

from cli.analysis_charts import effects_chart, over_time_charts
from cli.experiment_tables import comparison_rows, heading, period_table_rows, segment_rows, segments_sentence
from experiments.figures import Language
from experiments.verdict_words import numbers_sentences
from serving.analysis.analysed import Analysed
from serving.analysis.report import remarks, sentence
from serving.analysis.time_report import time_sentences

_TEMPLATE = "analysis.html.jinja"
_WORDS = {
    "en": {
        "title": "Experiment",
        "effects": "Effects",
        "time": "Over time",
        "know": "What to know",
        "segments": "Segments",
        "readings": "All periods",
        "looks": (
            "Each period's interval is as if it were the only one: of many some miss. Decide by the whole, or by "
            "--method sequential, whose intervals so far may be looked at again and again."
        ),
    },
    "ko": {
        "title": "실험",
        "effects": "효과",
        "time": "시간에 따른 변화",
        "know": "알아 둘 점",
        "segments": "세그먼트",
        "readings": "모든 기간",
        "looks": (
            "기간별 구간은 그 기간만 본 것처럼 계산했으므로 여럿이면 일부는 빗나갑니다. 전체 수치로 결정하거나, 누적 "
            "구간을 몇 번이고 볼 수 있는 --method sequential로 결정하십시오."
        ),
    },
}


def analysis_html(found: Analysed, language: Language) -> str:
    """The page.

    Returns:
        HTML that fetches nothing, in which every text is escaped.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    seen = found.over_time
    charts = [
        {
            "title": f"{one.metric.name} · {one.variant}",
            "pictures": [chart for chart in over_time_charts(one, seen.period, language) if chart],
        }
        for one in (seen.metrics if seen is not None else ())
        if seen is not None and seen.period is not None
    ]
    numbers = [
        line for finding in found.analysis.findings for line in numbers_sentences(found.analysis, finding, language)
    ]
    pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    return pages.get_template(_TEMPLATE).render(
        words=_WORDS[language],
        language=language,
        decision=found.verdict.kind,
        sentence=sentence(found, language),
        comparisons=comparison_rows(found, language),
        effects=effects_chart(found.analysis.findings, language),
        charts=charts,
        times=time_sentences(found, language),
        periods=period_table_rows(seen, language) if seen is not None else [],
        segments=[
            (segments_sentence(found, one, language), segment_rows(found, one, language)) for one in found.segments
        ],
        notes=[*numbers, *remarks(found, language)],
        heading=lambda *names: [heading(language, name) for name in names],
    )
