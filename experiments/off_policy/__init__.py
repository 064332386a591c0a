"""Off-policy evaluation: what another policy would have earned, told from what the logging policy did.

Rows are decisions: the action taken, its propensity, the reward. All estimators assume that the logged propensity is
the true one and that whatever the evaluation policy may do, the logging policy could have done (overlap); the first is
tested (weights must average 1), the second where it can be seen. ``replay`` needs uniform logging, ``ips`` and ``dr``
are unbiased, ``snips`` and ``sndr`` trade a bias that vanishes with the sample for less variance, ``dm`` is as good as
its reward model.

Lists. Two ways, no machinery of their own. A whole list may be the action, its propensity that of the list. Or each
position may be a row: action the item shown there, propensity its marginal probability at that position, reward what
that item earned, and the list (or its user) as ``unit``, because positions of one list are not independent; the value
is then per position, and it holds if an item's reward does not depend on its neighbours (the item-position model of Li,
Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay & Wen 2018, KDD).
"""
