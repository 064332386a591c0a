"""The English words of verdict and report. Keys and ``{figures}`` are those of every other language."""

from __future__ import annotations

SENTENCES = {
    # One line: what was decided. Chosen by words.headline.
    "verdict.promote": "Promoted: {challenger} beats {control}",
    "verdict.promote.unproven": (
        "Promoted: {challenger} replaces {control}, but the interval does not show it to be better"
    ),
    "verdict.rollback": "Rolled back: {challenger} lost to {control}",
    "verdict.rollback.guardrail": "Rolled back: {challenger} broke a guardrail ({reason})",
    "verdict.rollback.watch": (
        "Rolled back: {challenger} beat {control}, but broke a guardrail once it had all traffic ({reason})"
    ),
    "verdict.rollback.unproven": (
        "Rolled back: {control} stays, but the interval does not show {challenger} to be worse"
    ),
    "verdict.keep": "Kept {control}: could not tell {challenger} and {control} apart",
    "verdict.keep.won": "Kept {control}: {challenger} was ahead, but the rollout ended before it could be promoted",
    "verdict.keep.guardrail": "Kept {control}: {challenger} was ahead, but {reason}",
    "verdict.keep.lost": "Kept {control}: {challenger} was behind",
    "verdict.keep.unknown": "Kept {control}: too little was seen to compare {challenger} with it",
    "verdict.invalid": "Invalid: {reason}, so {challenger} and {control} cannot be compared",
    "verdict.continue": "Still running: {challenger} against {control}, no decision after {sessions} sessions",
    "headline": (
        "{verdict} — {challenger_rate} of sessions clicked against {control_rate} ({points}, always-valid {level} "
        "interval {interval})"
    ),
    # What happens now.
    "outcome.promote": (
        "{challenger_model} (version {challenger_version}) is the champion now and serves every visitor."
    ),
    "outcome.rollback": (
        "{control_model} (version {control_version}) is the champion as before and serves every visitor again."
    ),
    "outcome.keep": "{control_model} (version {control_version}) stays the champion and serves every visitor.",
    "outcome.invalid": (
        "{control_model} (version {control_version}) stays the champion. Find out why visitors did not split "
        "evenly, then run the rollout again."
    ),
    "outcome.continue": "{control_model} (version {control_version}) is the champion; the rollout goes on.",
    "exposed": "{exposed_units} of {all_units} visitors ({exposed}) had {challenger} at some time.",
    "alias": "In MLflow, the alias “champion” points to version {champion_after}.",
    # By how much.
    "size": (
        "Visitors clicked in {challenger_rate} of the sessions with {challenger} and in {control_rate} of those "
        "with {control}."
    ),
    "size.points": "That is a difference of {points}; the always-valid {level} interval is {interval} points.",
    "size.points.unknown": "There is no interval for the difference: an arm had too few visitors, or nobody clicked.",
    "size.relative": "Relative to {control} it is {relative} (interval {relative_interval} %).",
    "size.relative.unknown": (
        "It cannot be expressed relative to {control}, because no session of {control} was clicked."
    ),
    "size.won": "The whole interval lies above zero: {challenger} won.",
    "size.lost": "The whole interval lies below zero: {challenger} lost.",
    "size.undecided": "Zero lies inside the interval: we could not tell them apart, and neither is the winner.",
    "size.unknown": "Nothing can be said about which one is better.",
    "size.invalid": (
        "Visitors did not split as planned, so no difference between the two groups can be put down to the models."
    ),
    # Two readings.
    "sequential": (
        "Always-valid p-value {pvalue}; {level} interval {interval} points. Both are valid however often one looks "
        "(here {looks}): looking often did not inflate the error. This reading decides."
    ),
    "sequential.unknown": (
        "No interval and no p-value: an arm had too few visitors, or nobody clicked. This reading decides."
    ),
    "sequential.invalid": "Not to be used: visitors did not split as planned.",
    "bayesian": (
        "Chance that {challenger} is better: {chance}. Expected loss if it is chosen: {loss} clicked sessions per "
        "1,000. Flat prior, not corrected for looking often. This reading informs; it does not decide."
    ),
    "bayesian.unknown": "No chance to win and no expected loss: an arm had too few visitors, or nobody clicked.",
    "bayesian.invalid": "Not to be used: visitors did not split as planned.",
    # What each step saw.
    "step": (
        "Step {percent}: {sessions} sessions in all, {looks}. {challenger} was clicked in {challenger_rate} of its "
        "{challenger_sessions} sessions, {control} in {control_rate} of {control_sessions}."
    ),
    "step.continue": "Nothing spoke against it, so the rollout went on.",
    "step.promote": "Here {challenger} was promoted.",
    "step.rollback": "Here {challenger} was rolled back.",
    "step.keep": "The last step ended without a winner, so {control} was kept.",
    "step.invalid": "Here the rollout was declared invalid.",
    "watch": (
        "Watch at 100 %: {sessions} sessions, all with {challenger}. There is no control left to compare with, so "
        "only the guardrails were judged."
    ),
    "watch.continue": "They hold so far.",
    "watch.promote": "They held, and the promotion stands.",
    "watch.rollback": "One of them broke, and {control} came back.",
    "watch.keep": "{control} was kept.",
    "watch.invalid": "The rollout was declared invalid.",
    # What it means, and what it does not.
    "means.won": (
        "In this traffic, {challenger} instead of {control} gains about {per_thousand} clicked sessions in every "
        "1,000 (interval: {per_thousand_interval})."
    ),
    "means.lost": (
        "In this traffic, {challenger} instead of {control} loses about {per_thousand} clicked sessions in every "
        "1,000 (interval: {per_thousand_interval})."
    ),
    "means.undecided": (
        "A true difference anywhere from {interval} points would fit what was seen. “Not told apart” is not "
        "“proven equal”."
    ),
    "means.unknown": "The rollout says nothing about which model visitors prefer.",
    "means.invalid": "The rollout says nothing about either model, only that the measurement was broken.",
    "means.guardrail": "The rollback is about how the model was served. It is no judgement on its recommendations.",
    "means.metric": (
        "The rollback is about a metric that must not get worse, whatever the clicks say. Where it stands beside the "
        "others is in the table of the other metrics."
    ),
    "means.error": (
        "A model that changes nothing would be promoted or rolled back on its clicks in at most {alpha} of such "
        "rollouts."
    ),
    "limits.population": (
        "The {units} visitors are simulated, each modelled on one user of the ratings data. The result speaks for "
        "that population, not for your live visitors."
    ),
    "limits.visitors": (
        "{units} visitors of the live traffic were compared. The result speaks for those who come at such times, not "
        "for another season or another audience."
    ),
    "limits.estimand": (
        "A session counts once: clicked or not. Number of clicks, revenue, or whether visitors come back, were not "
        "measured."
    ),
    "limits.others": (
        "The decision counts a session once: clicked or not. The other metrics are told, and protect where they are "
        "guardrails; how often something happened in a session, and revenue, were not measured."
    ),
    "limits.duration": "It is an average over the rollout's sessions; a novelty wearing off later would not be seen.",
    # How it was measured.
    "method.session": (
        "A session is one request for a recommended list. Its outcome is 1 if any item is clicked, else 0. It counts "
        "for the model the visitor was assigned to: without a click if nobody could answer, with its clicks if the "
        "champion stood in for a challenger that failed."
    ),
    "method.assignment": (
        "A visitor always sees the same model at a given step, by a salted hash of the id. Challenger and an "
        "equally large control (the champion) run at the same time; everybody else gets the champion and is not "
        "analysed."
    ),
    "method.cluster": (
        "Sessions of one visitor are not independent: the uncertainty is computed from visitors (clusters), not "
        "from sessions."
    ),
    "method.strata": (
        "Each step is compared within itself and the steps are then averaged, so that a trend over time cannot "
        "fake an effect."
    ),
    "method.sequential": (
        "The interval is an always-valid confidence sequence at {level}: with that confidence it holds the true "
        "difference at every look at once. It assumes enough visitors for averages to behave normally."
    ),
    "method.rule": (
        "The challenger is promoted if the interval lies above zero in the last step ({last_step}), rolled back as "
        "soon as it lies below zero in any step or a guardrail breaks; otherwise the champion is kept."
    ),
    # Drills.
    "drill.aa": (
        "This was a drill: both versions are the same model, so the right answer is to find no difference and keep "
        "the champion."
    ),
    "drill.uplift": (
        "This was a drill: the challenger is the champion's own model, and its visitors were made 1.15 times as "
        "likely to click. The right answer is to promote it."
    ),
    "drill.damage": (
        "This was a drill: the challenger is the champion's own model, and its visitors were made only 0.9 times "
        "as likely to click. The right answer is to roll it back."
    ),
    "drill.shuffle": (
        "This was a drill: the challenger shows the champion's own best 200 items in random order. The right "
        "answer is to roll it back."
    ),
    "drill.found": "The rollout gave that answer.",
    "drill.missed": "The rollout gave another answer.",
    "drill.open": "The rollout has not answered yet.",
    # Offline against online.
    "foretelling.won": "{challenger} won online.",
    "foretelling.lost": "{challenger} lost online.",
    "foretelling.undecided": "Online it stayed undecided, so no offline metric foretold a winner.",
    "foretelling.no_outcome": "There is no online effect that an offline metric could have foretold.",
    "foretelling.same_model": (
        "Champion and challenger are the same model, so no offline metric could foretell anything."
    ),
    "foretelling.equal": (
        "Offline, no user's list was better with one model than with the other, so nothing could be foretold."
    ),
    "foretelling.foretold": "Foretold by {metrics}.",
    "foretelling.opposite": "{metrics} foretold the opposite.",
    "foretelling.nothing": "{metrics} said nothing.",
    "foretelling.untested": "{metrics} cannot be tested.",
    "foretelling.leaned_same": "{metrics} leaned the same way as the online difference.",
    "foretelling.leaned_other": "{metrics} leaned the other way than the online difference.",
    "foretelling.method": (
        "An offline difference is challenger minus champion on the held-out ratings of the same {users} users; its "
        "interval is the paired bootstrap's. Each has the level {each}, so that all {metrics} together hold the true "
        "differences with {level} confidence (Bonferroni). Coverage is one figure per model and has no interval."
    ),
    "foretelling.limits": (
        "This is one rollout: a metric that was right once need not be right again. Where the challenger was chosen "
        "by one of these metrics, on these ratings, that metric flatters it. And the visitors are simulated from the "
        "same ratings, the held-out ones included, so that both worlds agree more than they would with live visitors."
    ),
    "foretelling.missing.no_figures": (
        "Which offline metric foretold it cannot be told: the run of {model} keeps no figures of single users."
    ),
    "foretelling.missing.other_data": (
        "Which offline metric foretold it cannot be told: {model} was judged on other data or another split."
    ),
    "foretelling.missing.judged_otherwise": (
        "Which offline metric foretold it cannot be told: {model} was judged with another length of lists, or "
        "another rating counted as liked."
    ),
    "foretelling.missing.no_common_users": (
        "Which offline metric foretold it cannot be told: no user was judged with {model} and with its rival."
    ),
}

LABELS = {
    "language": "English",
    "title": "Rollout report",
    "decision.continue": "continue",
    "decision.promote": "promote",
    "decision.rollback": "rollback",
    "decision.keep": "keep",
    "decision.invalid": "invalid",
    "champion": "Champion",
    "challenger": "Challenger",
    "control": "Control",
    "version": "version",
    "click_rate": "Sessions with a click",
    "against": "with {challenger}, against {rate} with {control}",
    "difference": "Difference",
    "relative": "Relative difference",
    "chance_to_win": "Chance to win",
    "expected_loss": "expected loss {loss} clicked sessions per 1,000",
    "interval": "always-valid {level} interval",
    "points": "points",
    "pvalue": "p-value",
    "sessions": "sessions",
    "visitors": "visitors",
    "looks.one": "{looks} look",
    "looks.many": "{looks} looks",
    "look": "Look",
    "step": "Step",
    "watch": "Watch",
    "all_sessions": "All sessions",
    "decision": "Decision",
    "reason": "Reason",
    "why": "Why",
    "size": "By how much",
    "interval_chart": "How the interval narrowed",
    "interval_chart.lead": (
        "Difference in click rate, challenger minus control, in percentage points. The shaded band is the "
        "always-valid {level} interval after each look, early on often wider than the chart; percentages on top "
        "are the steps."
    ),
    "interval_chart.alt": (
        "Line chart of the difference in click rate over {looks}. At the last look it is {points}, interval "
        "{interval} points."
    ),
    "better": "challenger better",
    "worse": "challenger worse",
    "no_difference": "no difference",
    "nothing_to_draw": "No look has an interval yet, so there is nothing to draw.",
    "no_baseline": "the control has no click to compare with",
    "step_chart": "What each step saw",
    "step_chart.lead": "Share of sessions with a click in each step on its own, and how many sessions it rests on.",
    "step_chart.alt": (
        "Bar chart of the click rate of challenger and control in each step; the table below it holds the same figures."
    ),
    "readings": "Two readings of the same sessions",
    "sequential": "Sequential",
    "sequential.role": "decides",
    "bayesian": "Bayesian",
    "bayesian.role": "informs",
    "guardrails": "Guardrails",
    "guardrail": "Guardrail",
    "limit": "Limit",
    "in_test": "In the test",
    "in_watch": "Watch at 100 %",
    "guardrail.srm": "Even split of visitors (p-value)",
    "guardrail.error_rate": "Failed or late answers",
    "guardrail.empty_rate": "Empty lists",
    "guardrail.latency": "Answer time, 95th percentile",
    "metrics": "Other metrics",
    "metrics.lead": "Shares of sessions with at least one such event; {level} intervals that hold at every look.",
    "role.secondary": "told only",
    "role.guardrail": "guardrail",
    "role.guardrail.margin": "guardrail, may lose {margin}",
    "no_harm": "no harm shown",
    "not_shown": "not shown",
    "at_most": "at most {limit}",
    "at_least": "at least {limit}",
    "status": "Result",
    "held": "held",
    "broken": "broken",
    "unjudged": "not judged",
    "means": "What it means",
    "limits": "What it does not mean",
    "method": "How it was measured",
    "all_looks": "Every look",
    "all_looks.lead": "Figures are cumulative from the first session on.",
    "leaderboard": "Offline comparison before the rollout",
    "leaderboard.lead": "Measured on held-out ratings: what decided who was auditioned, not who won.",
    "foretelling": "Did the offline metrics foretell it?",
    "foretelling.lead": "Challenger minus champion: in each offline metric, and in clicks online.",
    "foretelling.alt": (
        "Chart of the differences between challenger and champion: {metrics} offline metrics and the online click "
        "rate, each with its interval; the table below it holds the same figures."
    ),
    "foretelling.online": "online clicks",
    "metric": "Metric",
    "interval.plain": "Interval",
    "foretold.foretold": "foretold",
    "foretold.opposite": "foretold the opposite",
    "foretold.nothing": "said nothing",
    "foretold.leaned_same": "not decided online, leaned the same",
    "foretold.leaned_other": "not decided online, leaned the other way",
    "foretold.leaned_neither": "not decided online, no lean",
    "foretold.equal": "no difference",
    "foretold.untested": "cannot be tested",
    "foretold.no_outcome": "no online outcome",
    "online.won": "challenger won",
    "online.lost": "challenger lost",
    "online.undecided": "not decided",
    "online.unknown": "no outcome",
    "model": "Model",
    "role": "Role",
    "provenance": "Where it comes from",
    "experiment": "Experiment",
    "data": "Data",
    "orphans": "Outcomes without a session",
    "seconds": "Time taken",
    "run_folder": "Run folder",
    "hints": "Open the rest",
    "switch": "Language",
    "picture": "Difference in points, look by look",
}
