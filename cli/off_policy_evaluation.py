"""Policies judged on a log: every estimator asked for, what a reader should be warned of, and the JSON of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np

from cli.off_policy_log import DecisionLog
from cli.policy_option import LOGGING, AskedPolicy, parse_policy
from core.errors import ConfigError
from experiments.figures import LANGUAGES, Language
from experiments.forecast import Prediction
from experiments.json_document import json_document
from experiments.metrics import Metric
from experiments.off_policy.comparison import PolicyUplift, logged_value, policy_uplift
from experiments.off_policy.estimator import Estimator, PolicyValue, check_limit
from experiments.off_policy.evaluation_policy import EvaluationPolicy
from experiments.off_policy.overlap import MIN_ESS, PolicyStatus, overlap
from experiments.off_policy.registry import estimator, estimator_names
from experiments.off_policy.reward_model import RewardModel, ridge_rewards
from experiments.off_policy.words import POLICY_STATUS_WORDS, SENTENCES, policy_sentence, warning_sentence

DECIDING = "snips"
#: Share of all weight at which a single row is worth a warning.
_ONE_ROW = 0.05
_NO_VALUE: dict[str, Any] = dict.fromkeys(("value", "se", "ci_lower", "ci_upper"), math.nan)
_EFFECTS = ("effect_size", "se", "ci_lower", "ci_upper", "pvalue")
_NO_EFFECT: dict[str, Any] = dict.fromkeys((*_EFFECTS, *(f"rel_{name}" for name in _EFFECTS[:-1])), math.nan)


@dataclass(frozen=True)
class Question:
    """What is asked of a log.

    Attributes:
        policies: To be judged.
        baseline: What they are held against; None: the policy that made the log.
        estimators: By name, the first decides.
        alpha: Of every interval.
        clip: Largest weight used; None: no limit.
        min_ess: Effective sample size below which no interval is given.
    """

    policies: tuple[AskedPolicy, ...]
    baseline: AskedPolicy | None = None
    estimators: tuple[str, ...] = (DECIDING, "ips", "dm", "dr")
    alpha: float = 0.05
    clip: float | None = None
    min_ess: float = MIN_ESS

    def __post_init__(self) -> None:
        check_limit("clip", self.clip)
        for option, names in (("policy", [one.name for one in self.policies]), ("estimator", self.estimators)):
            if not names or len(set(names)) < len(names):
                raise ConfigError(f"{option} == {', '.join(names)!r}; at least one is needed, and each once")

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the policies stand in, each once."""
        asked = self.policies + (() if self.baseline is None else (self.baseline,))
        return tuple(dict.fromkeys(column for one in asked for column in one.columns))

    @property
    def against(self) -> str:
        """The baseline's name."""
        return LOGGING if self.baseline is None else self.baseline.name


def parse_question(
    policies: Sequence[str], baseline: str, estimators: str, *, alpha: float, clip: float | None, min_ess: float
) -> Question:
    """Read what was written on the command line.

    Args:
        policies: As ``parse_policy`` reads them.
        baseline: ``logging``, the name of one of the policies, or another policy.
        estimators: By commas, or ``all``: snips decides, the others beside it.
        alpha: As in ``Question``, like all that follow.
        clip: See there.
        min_ess: See there.

    Raises:
        ConfigError: One of them is written in no known way.
    """
    asked = tuple(parse_policy(text) for text in policies)
    named = {one.name: one for one in asked}
    held = None if baseline == LOGGING else named.get(baseline) or parse_policy(baseline)
    chosen = tuple(name.strip() for name in estimators.split(",") if name.strip())
    if chosen == ("all",):
        chosen = (DECIDING, *(name for name in estimator_names() if name != DECIDING))
    return Question(asked, held, chosen, alpha, clip, min_ess)


@dataclass(frozen=True)
class Judged:
    """One policy by one estimator."""

    policy: str
    estimator: str
    value: PolicyValue
    uplift: PolicyUplift


@dataclass(frozen=True)
class Evaluation:
    """All that is told.

    Attributes:
        question: What was asked.
        decisions: The log.
        judged: By policy, the deciding estimator first.
        logging_value: What the log's own policy earned a row.
        warnings: Code of ``words.SENTENCES`` and its figures.
    """

    question: Question
    decisions: DecisionLog
    judged: tuple[Judged, ...]
    logging_value: float
    warnings: tuple[tuple[str, Mapping[str, str | int | float]], ...]

    @property
    def reward(self) -> Metric:
        """How figures are written: rewards that are all 0 or 1 as a share."""
        shares = np.isin(self.decisions.bandit.reward, (0, 1)).all()
        return Metric("reward", "proportion" if shares else "mean", "reward")

    @property
    def deciding(self) -> tuple[Judged, ...]:
        """Every policy by the estimator that decides."""
        return tuple(one for one in self.judged if one.estimator == self.question.estimators[0])

    def sentence(self, one: Judged, language: Language) -> str:
        """A policy in plain words."""
        against = self.question.against
        baseline = SENTENCES[language][LOGGING] if against == LOGGING else against
        return policy_sentence(one.policy, one.value, one.uplift, baseline, self.reward, self.question.alpha, language)

    def remarks(self, language: Language) -> list[str]:
        """What was left out, the warnings, and why estimators beside the deciding one have no figure or no interval."""
        lost = [(one.reason, {"rows": one.rows}) for one in self.decisions.excluded]
        told = [warning_sentence(code, dict(figures), language) for code, figures in (*lost, *self.warnings)]
        statuses: dict[tuple[str, PolicyStatus], list[str]] = {}
        for one in self.judged:
            statuses.setdefault((one.policy, one.value.status), []).append(one.estimator)
        for (policy, status), names in statuses.items():
            # The deciding estimator's own is in the sentence of the policy.
            if status != "ok" and self.question.estimators[0] not in names:
                figures = {"policy": policy, "estimators": ", ".join(names)}
                told.append(SENTENCES[language]["by"].format(status=POLICY_STATUS_WORDS[language][status], **figures))
        return told


def evaluated(decisions: DecisionLog, question: Question) -> Evaluation:
    """Judge the policies.

    Raises:
        ConfigError: An estimator, alpha or min_ess is not allowed, or a policy names an action that the log has not.
        DataError: A policy's probabilities do not add up to 1.
        UnknownName: Nobody registered the estimator.
    """
    chosen = [_estimator(name, question.clip) for name in question.estimators]
    policies = {one.name: _on(one, decisions) for one in question.policies}
    baseline = None if question.baseline is None else _on(question.baseline, decisions)
    log = decisions.bandit
    # Fitted once: it is the same for every policy.
    model = ridge_rewards(log, len(decisions.actions)) if any(one.needs_scores for one in chosen) else None
    judged = tuple(
        _judged(name, policy, baseline, one, decisions, question, model)
        for name, policy in policies.items()
        for one in chosen
    )
    warnings = [
        warning for name, policy in policies.items() for warning in _warnings(name, policy, judged, decisions, question)
    ]
    blind = ", ".join(one.name for one in chosen if one.needs_scores)
    if blind and log.context is None and log.logging_policy is None and _varies(decisions):
        warnings.append(("warn.no_context", {"estimator": blind}))
    if len(policies) > 1:
        warnings.append(("warn.several", {"policies": len(policies)}))
    return Evaluation(question, decisions, judged, logged_value(log).value, tuple(warnings))


def _estimator(name: str, clip: float | None) -> Estimator:
    found = estimator(name)
    return found(clip=clip) if "clip" in signature(found).parameters else found()  # type: ignore[call-arg]


def _on(policy: AskedPolicy, decisions: DecisionLog) -> EvaluationPolicy:
    return policy.on(decisions.actions, decisions.bandit.n, decisions.probabilities)


def _judged(
    name: str,
    policy: EvaluationPolicy,
    baseline: EvaluationPolicy | None,
    by: Estimator,
    decisions: DecisionLog,
    question: Question,
    model: RewardModel | None,
) -> Judged:
    log, level = decisions.bandit, {"alpha": question.alpha, "min_ess": question.min_ess}
    scores = model if by.needs_scores else None
    value = by.evaluate(log, policy, scores=scores, **level)
    uplift = policy_uplift(log, policy, baseline, estimator=by, scores=scores, **level)
    if by.needs_overlap:
        return Judged(name, by.name, value, uplift)
    # A model has a figure for what was never tried; beside nothing that could check it, it would be taken for one.
    if overlap(log, policy).status == "no_overlap":
        value = value._replace(**_NO_VALUE, status="no_overlap")
        uplift = uplift._replace(**_NO_EFFECT, value=math.nan, status="no_overlap")
    if baseline is not None and overlap(log, baseline).status == "no_overlap":
        uplift = uplift._replace(**_NO_EFFECT, baseline_value=math.nan, status="no_overlap")
    return Judged(name, by.name, value, uplift)


def _warnings(
    name: str, policy: EvaluationPolicy, judged: Sequence[Judged], decisions: DecisionLog, question: Question
) -> list[tuple[str, dict[str, str | int | float]]]:
    seen = overlap(decisions.bandit, policy, min_ess=question.min_ess)
    own = [one for one in judged if one.policy == name]
    found: list[tuple[str, dict[str, str | int | float]]] = []
    if seen.status == "wrong_weights":
        found.append(("warn.wrong_weights", {"policy": name, "mean_weight": seen.mean_weight}))
    total = float(seen.weights.sum())
    if total > 0 and seen.max_weight > _ONE_ROW * total:
        found.append(("warn.one_row", {"policy": name, "share": seen.max_weight / total}))
    cut = 0 if question.clip is None else int(np.count_nonzero(seen.weights > question.clip))
    if cut and question.clip is not None:
        found.append(("warn.clipped", {"policy": name, "clip": question.clip, "rows": cut}))
    if seen.status == "wrong_weights":
        alone = ", ".join(one.estimator for one in own if np.isfinite(one.value.value))
        return found + ([("warn.model_alone", {"policy": name, "estimator": alone})] if alone else [])
    sure = [one for one in own if one.value.status == "ok"]
    if sure:
        highest = max(sure, key=lambda one: one.value.ci_lower)
        lowest = min(sure, key=lambda one: one.value.ci_upper)
        if highest.value.ci_lower > lowest.value.ci_upper:
            apart = f"{highest.estimator}, {lowest.estimator}"
            found.append(("warn.disagree", {"policy": name, "estimators": apart}))
    return found


def _varies(decisions: DecisionLog) -> bool:
    """Whether an action had different propensities in different rows."""
    action, propensity = decisions.bandit.action, decisions.bandit.propensity
    first = np.empty(len(decisions.actions))
    first[action] = propensity
    return bool((np.abs(propensity - first[action]) > 1e-9).any())


def document(found: Evaluation) -> dict[str, Any]:
    """What ``--json`` prints."""
    question, decisions = found.question, found.decisions
    return {
        "policies": [_row(found, one) for one in found.judged],
        "baseline": question.against,
        "estimators": list(question.estimators),
        "alpha": question.alpha,
        "clip": question.clip,
        "min_ess": question.min_ess,
        "logging_value": found.logging_value,
        "actions": list(decisions.actions),
        "rows": decisions.bandit.n,
        "units": decisions.bandit.n_units,
        "rows_read": decisions.rows_read,
        "excluded": [
            {
                "reason": one.reason,
                "rows": one.rows,
                "explanation": warning_sentence(one.reason, {"rows": one.rows}, "en"),
            }
            for one in decisions.excluded
        ],
        "warnings": [
            {
                "warning": code.removeprefix("warn."),
                **figures,
                "explanation": warning_sentence(code, dict(figures), "en"),
            }
            for code, figures in found.warnings
        ],
        "sentences": [
            {"policy": one.policy, **{language: found.sentence(one, language) for language in LANGUAGES}}
            for one in found.deciding
        ],
    }


def _row(found: Evaluation, one: Judged) -> dict[str, Any]:
    value, uplift = one.value._asdict(), one.uplift
    del value["estimator"], value["status"]
    return json_document(
        {
            "policy": one.policy,
            "estimator": one.estimator,
            "decides": one.estimator == found.question.estimators[0],
            **value,
            "status": one.value.status,
            "explanation": "" if one.value.status == "ok" else POLICY_STATUS_WORDS["en"][one.value.status],
            "baseline": found.question.against,
            "baseline_value": uplift.baseline_value,
            "uplift": uplift.effect_size,
            "uplift_se": uplift.se,
            "uplift_ci_lower": uplift.ci_lower,
            "uplift_ci_upper": uplift.ci_upper,
            "uplift_pvalue": uplift.pvalue,
            "rel_uplift": uplift.rel_effect_size,
            "rel_uplift_ci_lower": uplift.rel_ci_lower,
            "rel_uplift_ci_upper": uplift.rel_ci_upper,
            "uplift_status": uplift.status,
        }
    )


def prediction(found: Evaluation) -> dict[str, Any]:
    """The uplift told of a policy, to be kept until a live test has found it.

    Raises:
        ConfigError: Several policies were judged.
    """
    if len(found.deciding) != 1:
        raise ConfigError(f"a forecast is of one policy, {len(found.deciding)} were given; name one --policy")
    (one,) = found.deciding
    uplift = one.uplift
    told = Prediction(
        f"off_policy:{one.estimator}", uplift.effect_size, uplift.ci_lower, uplift.ci_upper, found.question.alpha
    )
    return {**told.as_document(), "policy": one.policy, "baseline": found.question.against}
