"""What an analysis of anyone's experiment tells: the sentences, what was left out, and the document for JSON."""

from __future__ import annotations

from typing import Any

from experiments.analysis import Finding
from experiments.figures import Language, count
from experiments.inference.status_words import (
    ADJUSTMENT_WORDS,
    NON_INFERIORITY_WORDS,
    STRATIFICATION_WORDS,
    status_sentence,
)
from experiments.json_document import json_document
from experiments.metric_figures import relative_text
from experiments.verdict_words import verdict_sentence
from serving.analysis.analysed import Analysed, Excluded, Reason, SegmentedMetric
from serving.analysis.arms import Note, ReadingNote
from serving.analysis.time_report import time_document

_REASONS: dict[Language, dict[Reason, str]] = {
    "en": {
        "no_unit": "Rows that name no unit, left out: {units}.",
        "two_variants": "Units with rows in two variants, left out of every arm: {units}.",
        "no_variant": "Units without a variant, left out: {units}.",
        "missing_number": (
            "Units of {variant} with a row that has no finite number in {columns}, left out of {metric}: {units}. "
            "Write 0 in the file if that is what it means."
        ),
        "no_segment": "Units that name no segment, compared in none: {units}.",
    },
    "ko": {
        "no_unit": "대상이 기록되지 않아 제외한 행: {units}개.",
        "two_variants": "두 변형안에 모두 기록되어 모든 비교에서 제외한 대상: {units}개.",
        "no_variant": "변형안이 기록되지 않아 제외한 대상: {units}개.",
        "missing_number": (
            "변형안({variant})에서 열({columns})에 유한한 수가 없는 행이 있어 지표({metric})에서 제외한 대상: "
            "{units}개. 0을 뜻한다면 파일에 0으로 적으십시오."
        ),
        "no_segment": "세그먼트가 기록되지 않아 세그먼트별 비교에서 제외한 대상: {units}개.",
    },
}

#: Beside the notes of ``experiments.inference``.
_NOTE_WORDS: dict[Language, dict[ReadingNote, str]] = {
    "en": {
        "quantile": "A quantile takes no covariate; it is compared without.",
        "covariate_varies": (
            "The covariate differs between rows of the same unit; the mean of its rows was used. What was known before "
            "the experiment is the same on every row: check that this was, or leave the covariate out."
        ),
        "quantile_strata": "A quantile is not stratified; it is compared as it was measured.",
        "stratum_varies": (
            "Some units have rows in several strata; they make a stratum of their own. What was known before the "
            "experiment is the same on every row: check that this was, or leave --stratify out."
        ),
    },
    "ko": {
        "quantile": "분위수에는 공변량을 쓸 수 없어 공변량 없이 비교했습니다.",
        "covariate_varies": (
            "같은 대상의 행마다 공변량이 달라 행들의 평균을 썼습니다. 실험 전에 알고 있던 값이라면 모든 행에서 "
            "같아야 합니다. 실험 전의 값인지 확인하거나 공변량을 빼십시오."
        ),
        "quantile_strata": "분위수는 층화하지 않고 측정한 그대로 비교했습니다.",
        "stratum_varies": (
            "여러 층에 걸쳐 기록된 대상이 있어 따로 하나의 층으로 묶었습니다. 실험 전에 알고 있던 값이라면 모든 "
            "행에서 같아야 합니다. 실험 전의 값인지 확인하거나 --stratify를 빼십시오."
        ),
    },
}


_BOUNDS: dict[Language, str] = {
    "en": "at worst {bound}, tolerable {allowed}",
    "ko": "최악의 경우 {bound}, 허용 {allowed}",
}
_WATCHED: dict[Language, str] = {
    "en": (
        "Guardrails ({metrics}) are read by the sequential method here: whoever looks again and again would otherwise "
        "find harm where there is none."
    ),
    "ko": (
        "가드레일({metrics})은 여기서 순차적 방법으로 판단합니다. 그러지 않으면 여러 번 볼수록 있지도 않은 피해를 "
        "발견하게 됩니다."
    ),
}
_MEAN_DISAGREES: dict[Language, str] = {
    "en": (
        "Most units and the mean point to different variants: a few large values make the mean. The ranks decide here; "
        "ask yourself which of the two you care about."
    ),
    "ko": (
        "대부분의 대상과 평균이 서로 다른 안을 가리킵니다. 소수의 큰 값이 평균을 좌우하기 때문입니다. 여기서는 순위로 "
        "결정했으니 둘 중 무엇이 중요한지 생각해 보십시오."
    ),
}


def sentence(found: Analysed, language: Language) -> str:
    """The verdict in words."""
    status = found.analysis.primary[0].comparison.status
    told = "" if status == "ok" else status_sentence(status, language)
    return verdict_sentence(found.analysis, found.verdict, language, told)


def remarks(found: Analysed, language: Language) -> list[str]:
    """What was left out, what cannot be compared, and what became of the covariate."""
    told = [_excluded(one, language) for one in found.excluded]
    for finding in found.analysis.findings:
        if finding.comparison.status != "ok":
            told.append(
                f"{finding.metric.name}, {finding.variant}: {status_sentence(finding.comparison.status, language)}"
            )
    told += [_safety_words(finding, language) for finding in found.analysis.findings if finding.safety is not None]
    watched = [finding.metric.name for finding in found.analysis.findings if _is_watched(found, finding)]
    if watched:
        told.append(_WATCHED[language].format(metrics=", ".join(dict.fromkeys(watched))))
    for finding in found.analysis.findings:
        if _mean_disagrees(finding):
            told.append(f"{finding.metric.name}, {finding.variant}: {_MEAN_DISAGREES[language]}")
    return told + list(dict.fromkeys(f"{note.metric}: {_note_words(note, language)}" for note in found.notes))


def document(found: Analysed) -> dict[str, Any]:
    """What ``--json`` prints: comparisons, sample ratio, units, what was left out, segments, verdict."""
    analysis = found.analysis
    reached = found.verdict
    return {
        "method": analysis.plan.method,
        "alpha": analysis.plan.alpha,
        "correction": analysis.plan.correction,
        "adjustment": {
            "covariate": found.question.covariate,
            "adjust": found.question.adjust if found.question.covariate else "",
            "stratify": found.question.stratify,
        },
        "comparisons": [_comparison(finding) for finding in analysis.findings],
        "srm": {
            **json_document({"pvalue": analysis.srm.pvalue}),
            "alarm": analysis.srm_alarm,
            "stray": analysis.srm.stray,
        },
        "units": dict(analysis.units),
        "excluded": [
            {
                "reason": one.reason,
                "units": one.units,
                "variant": one.variant,
                "metric": one.metric,
                "explanation": _excluded(one, "en"),
            }
            for one in found.excluded
        ],
        "non_inferiority": [_safety_row(finding) for finding in analysis.findings if finding.safety is not None],
        "notes": [note._asdict() for note in found.notes],
        "segments": [row for one in found.segments for row in _segment_rows(one)],
        **time_document(found),
        "verdict": {
            "decision": reached.kind,
            "reason": reached.reason,
            "variant": reached.variant,
            "sentence": sentence(found, "en"),
            "sentence_ko": sentence(found, "ko"),
        },
    }


def _note_words(note: Note, language: Language) -> str:
    words: dict[str, str] = {}
    for known in (ADJUSTMENT_WORDS, STRATIFICATION_WORDS, _NOTE_WORDS):
        words.update(known[language].items())
    return words[note.note]


def _safety_words(finding: Finding, language: Language) -> str:
    safety = finding.safety
    assert safety is not None
    words = NON_INFERIORITY_WORDS[language][safety.verdict]
    bound, allowed = (relative_text(one, language) for one in (safety.bound, safety.worst_allowed))
    bounds = _BOUNDS[language].format(bound=bound, allowed=allowed)
    return f"{finding.metric.name}, {finding.variant}: {words} ({bounds})"


def _is_watched(found: Analysed, finding: Finding) -> bool:
    """Whether it is read by another way than the method, because that would not bear looking again and again."""
    return found.analysis.plan.method == "bayesian" and finding.test == "sequential"


def _mean_disagrees(finding: Finding) -> bool:
    """Whether ranks and means point to different variants."""
    compared = finding.comparison
    apart = compared.treatment_value - compared.control_value
    return finding.effect_kind == "probability_of_superiority" and apart * (compared.effect_size - 0.5) < 0


def _excluded(one: Excluded, language: Language) -> str:
    return _REASONS[language][one.reason].format(
        units=count(one.units), variant=one.variant, metric=one.metric, columns=", ".join(one.columns)
    )


def _comparison(finding: Finding) -> dict[str, Any]:
    compared, believed = finding.comparison, finding.bayesian
    figures = {name: getattr(compared, name) for name in compared._fields if name != "status"}
    return json_document(
        {
            "metric": finding.metric.name,
            "kind": finding.metric.kind,
            "test": finding.test,
            "effect_kind": finding.effect_kind,
            "variant": finding.variant,
            "control": finding.control,
            **figures,
            "pvalue_adjusted": finding.pvalue_adjusted,
            "chance_to_win": believed.chance_to_win,
            "expected_loss": believed.expected_loss_treatment,
            "credible_lower": believed.ci_lower,
            "credible_upper": believed.ci_upper,
            "credible_kind": believed.kind,
            "variance_reduction": finding.variance_reduction,
            "status": compared.status,
            "explanation": "" if compared.status == "ok" else status_sentence(compared.status, "en"),
        }
    )


def _safety_row(finding: Finding) -> dict[str, Any]:
    safety = finding.safety
    assert safety is not None
    return json_document(
        {
            "metric": finding.metric.name,
            "variant": finding.variant,
            "margin": abs(safety.worst_allowed),
            "verdict": safety.verdict,
            "rel_effect_size": safety.effect_size,
            "bound": safety.bound,
            "worst_allowed": safety.worst_allowed,
            "pvalue": safety.pvalue,
            "status": safety.status,
            "sentence": _safety_words(finding, "en"),
            "sentence_ko": _safety_words(finding, "ko"),
        }
    )


def _segment_rows(one: SegmentedMetric) -> list[dict[str, Any]]:
    heterogeneity = one.report.heterogeneity
    return [
        json_document(
            {
                "metric": one.metric.name,
                "variant": one.variant,
                "segment": row.segment,
                "effect_size": row.comparison.effect_size,
                "rel_effect_size": row.comparison.rel_effect_size,
                "ci_lower": row.comparison.ci_lower,
                "ci_upper": row.comparison.ci_upper,
                "pvalue": row.comparison.pvalue,
                "pvalue_adjusted": row.pvalue_adjusted,
                "control_n": row.comparison.control_n,
                "treatment_n": row.comparison.treatment_n,
                "status": row.comparison.status,
                "heterogeneity_pvalue": heterogeneity.pvalue,
            }
        )
        for row in one.report.segments
    ]
