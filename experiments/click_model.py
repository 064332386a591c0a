"""Simulated users: who comes in session i, and what they click in the list they are shown.

About 40,000 visitors, each with a real user as parent, whose history the models know and whose held-out ratings
the models do not. The probability of a click on the item at position k (1, 2, …) of a list is
``k^-0.7 · sigmoid(logit)`` with ::

    logit = a + .35 · taste + 2.5 · held out + visitor N(0, .6) + session N(0, .4) + (visitor, item) N(0, .5)

``taste`` is a factorisation machine's deviation of the parent's rating of the item from the mean rating (no
contestant is of its class); ``held out`` is +1 where the parent's held-out rating of the item is 4 or more, -1
where it is less, else 0. ``a`` is solved (experiments/click_fit.py). The inference of an experiment is to these
visitors, not to the parents; docs/CLICK_MODEL.md says more.

Every random number is addressed by (seed, session or visitor, …): see experiments/counter_noise.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from core.ids import IdIndex
from experiments import counter_noise as noise
from experiments.factorisation_machine import FactorisationMachine

Floats = npt.NDArray[np.float64]
Indexes = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

#: Where a list is shorter than its row.
NO_ITEM = -1

DEVICES = ("mobile", "desktop", "tablet")
CHANNELS = ("web", "app", "email")
#: Where a uniform leaves the first device or channel for the second, and the second for the third.
DEVICE_BOUNDS = np.array([0.6, 0.9])
CHANNEL_BOUNDS = np.array([0.5, 0.9])


class _Stream(IntEnum):
    """What a random number is for. A number here never changes: it would change every recorded figure."""

    PARENT = 1
    VISITOR_EFFECT = 2
    ITEM_NOISE = 3
    VISITOR = 4
    SESSION_EFFECT = 5
    TIME = 6
    OUTCOME = 7
    FIRST_CLICK = 8
    LATER_CLICK = 9
    DEVICE = 10
    CHANNEL = 11


@dataclass(frozen=True)
class ClickConfig:
    """The constants of the click model.

    Attributes:
        n_visitors: Simulated users; each session is one of them, all equally likely.
        taste_weight: Logit per rating unit of the factorisation machine's deviation.
        held_out_weight: Logit of a held-out rating that is liked; its negative where it is not.
        liked_rating: A held-out rating of at least this is liked.
        visitor_sd: Standard deviation of the visitor's effect on the logit.
        session_sd: Standard deviation of the session's effect.
        item_sd: Standard deviation of the (visitor, item) effect.
        examination: Position k is looked at with probability k to the power of minus this.
        target_click_rate: Share of sessions with a click when every list is the popularity model's.
        k: Length of the lists that ``a`` is solved on.
        seconds_between_sessions: Mean distance of two sessions in simulated time.
    """

    n_visitors: int = 40_000
    taste_weight: float = 0.35
    held_out_weight: float = 2.5
    liked_rating: float = 4.0
    visitor_sd: float = 0.6
    session_sd: float = 0.4
    item_sd: float = 0.5
    examination: float = 0.7
    target_click_rate: float = 0.25
    k: int = 10
    seconds_between_sessions: float = 20.0


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The held-out ratings, as a sorted table of (parent, item).

    Attributes:
        pair: (m,) int64, parent * n_items + item, ascending.
        liked: (m,) float64: +1 liked, -1 not liked.
        n_items: Items in all.
    """

    pair: Indexes
    liked: Floats
    n_items: int

    def __call__(self, parent: Indexes, items: Indexes) -> Floats:
        """(n, k) +1, -1 or 0 (not held out) of n parents' items (n, k)."""
        if len(self.pair) == 0:
            return np.zeros(items.shape)
        wanted = parent[:, None] * self.n_items + items
        place = np.minimum(np.searchsorted(self.pair, wanted), len(self.pair) - 1)
        return np.where(self.pair[place] == wanted, self.liked[place], 0.0)


@dataclass(frozen=True, eq=False)
class Sessions:
    """A run of sessions: all about them that does not depend on the list they are shown.

    Attributes:
        number: (n,) int64, the sessions' numbers.
        visitor: (n,) int64 visitor numbers, 0 … n_visitors - 1.
        parent: (n,) int64 user indexes of the visitors' parents.
        effect: (n,) float64, the visitor's plus the session's effect on the logit.
        timestamp: (n,) float64 seconds since 1970, ascending with the number.
        device: (n,) index into DEVICES.
        channel: (n,) index into CHANNELS.
    """

    number: Indexes
    visitor: Indexes
    parent: Indexes
    effect: Floats
    timestamp: Floats
    device: Indexes
    channel: Indexes

    def __len__(self) -> int:
        return len(self.number)

    def one(self, row: int) -> Sessions:
        """Only the session in the given row, 0 … n - 1."""
        here = slice(row, row + 1)
        return Sessions(
            self.number[here],
            self.visitor[here],
            self.parent[here],
            self.effect[here],
            self.timestamp[here],
            self.device[here],
            self.channel[here],
        )


@dataclass(frozen=True, eq=False)
class ClickModel:
    """A frozen world of simulated users; made by ``experiments.click_fit.fit_click_model``.

    Attributes:
        config: The constants.
        seed: Seed of everything random.
        users: Ids of the parents; row order of ``taste``.
        items: Ids of the items; row order of ``taste``.
        taste: The factorisation machine of all ratings.
        held_out: Whether a parent's held-out rating likes an item.
        intercept: ``a`` of the formula.
        start: Simulated time of session 0, seconds since 1970.
    """

    config: ClickConfig
    seed: int
    users: IdIndex
    items: IdIndex
    taste: FactorisationMachine
    held_out: HeldOut
    intercept: float
    start: float

    def parents(self, visitor: Indexes) -> Indexes:
        """(n,) user indexes of visitors' parents: users drawn evenly, once per visitor."""
        drawn = noise.uniform(self._keys(_Stream.PARENT, visitor))
        return np.asarray(drawn * len(self.users), dtype=np.int64)

    def visitor_effects(self, visitor: Indexes) -> Floats:
        """(n,) the visitors' effects on the logit."""
        return self.config.visitor_sd * noise.normal(self._keys(_Stream.VISITOR_EFFECT, visitor))

    def sessions(self, first: int, last: int) -> Sessions:
        """Sessions first … last - 1.

        Args:
            first: Number of the first session, >= 0.
            last: One past the number of the last; ``last <= first`` gives no sessions.
        """
        number = np.arange(first, last, dtype=np.int64)
        drawn = noise.uniform(self._keys(_Stream.VISITOR, number))
        visitor = np.asarray(drawn * self.config.n_visitors, dtype=np.int64)
        session_effect = self.config.session_sd * noise.normal(self._keys(_Stream.SESSION_EFFECT, number))
        elapsed = number + noise.uniform(self._keys(_Stream.TIME, number))
        device = np.searchsorted(DEVICE_BOUNDS, noise.uniform(self._keys(_Stream.DEVICE, number)))
        channel = np.searchsorted(CHANNEL_BOUNDS, noise.uniform(self._keys(_Stream.CHANNEL, number)))
        return Sessions(
            number=number,
            visitor=visitor,
            parent=self.parents(visitor),
            effect=self.visitor_effects(visitor) + session_effect,
            timestamp=self.start + elapsed * self.config.seconds_between_sessions,
            device=device,
            channel=channel,
        )

    def item_logits(self, visitor: Indexes, parent: Indexes, items: Indexes) -> Floats:
        """The part of the logit that belongs to visitor and item.

        Args:
            visitor: (n,) visitor numbers.
            parent: (n,) user indexes of their parents.
            items: (n, k) item indexes; NO_ITEM where a list is shorter.

        Returns:
            (n, k) float64; meaningless where there is no item.
        """
        config = self.config
        shown = np.maximum(items, 0)
        own = noise.extend(self._keys(_Stream.ITEM_NOISE, visitor)[:, None], shown)
        return np.asarray(
            config.taste_weight * self.taste.deviation(parent, shown)
            + config.held_out_weight * self.held_out(parent, shown)
            + config.item_sd * noise.normal(own),
            dtype=np.float64,
        )

    def click_probabilities(self, sessions: Sessions, items: Indexes) -> Floats:
        """Probability of a click on each item, clicks on different items of a session being independent.

        Args:
            sessions: n sessions.
            items: (n, k) item indexes in the order shown; NO_ITEM where a list is shorter.

        Returns:
            (n, k) float64 in [0, 1); 0 where there is no item.
        """
        logits = self.item_logits(sessions.visitor, sessions.parent, items)
        logits += self.intercept + sessions.effect[:, None]
        return _examined(logits, items, self.config.examination)

    def session_click_probability(self, sessions: Sessions, items: Indexes) -> Floats:
        """(n,) probability that anything of the list is clicked; 0 for an empty list."""
        return _any(self.click_probabilities(sessions, items))

    def clicks(self, sessions: Sessions, items: Indexes, multiplier: float | Floats = 1.0) -> Booleans:
        """What is clicked in each session.

        The session's outcome is ``U < min(1, multiplier · P(any click))``: a planted multiplier moves exactly
        the session's click probability. Given a click, the clicked items have the distribution they have
        without multiplier: the first by ``p_j · Π_{l<j} (1 - p_l)``, those after it independently.

        Args:
            sessions: n sessions.
            items: (n, k) item indexes in the order shown, k >= 0; NO_ITEM where a list is shorter.
            multiplier: Of the session's click probability, >= 0; a number or (n,).

        Returns:
            (n, k) bool, True where the item is clicked.
        """
        probability = self.click_probabilities(sessions, items)
        any_click = _any(probability)
        outcome = noise.uniform(self._keys(_Stream.OUTCOME, sessions.number))
        happens = outcome < np.minimum(1.0, multiplier * any_click)
        clicked = np.zeros(items.shape, dtype=bool)
        rows = np.flatnonzero(happens)
        if len(rows):
            clicked[rows] = self._which(sessions.number[rows], probability[rows])
        return clicked

    def _which(self, number: Indexes, probability: Floats) -> Booleans:
        """(n, k) the clicked items of sessions in which something is clicked."""
        reached = 1.0 - np.cumprod(1.0 - probability, axis=1)
        drawn = noise.uniform(self._keys(_Stream.FIRST_CLICK, number)) * reached[:, -1]
        first = (reached > drawn[:, None]).argmax(axis=1)
        position = np.arange(probability.shape[1])
        later = noise.uniform(noise.extend(self._keys(_Stream.LATER_CLICK, number)[:, None], position))
        after = (position > first[:, None]) & (later < probability)
        return np.asarray(after | (position == first[:, None]), dtype=bool)

    def visitor_logits(self, lists: Indexes) -> tuple[Floats, Indexes]:
        """Every visitor before the session's effect, shown the list of their parent.

        Args:
            lists: (n_users, k) the item indexes each parent is shown; NO_ITEM where a list is shorter.

        Returns:
            (n_visitors, k) logits and (n_visitors, k) the items they belong to.
        """
        visitor = np.arange(self.config.n_visitors, dtype=np.int64)
        parent = self.parents(visitor)
        items = np.asarray(lists)[parent]
        logits = self.item_logits(visitor, parent, items)
        return logits + (self.intercept + self.visitor_effects(visitor))[:, None], items

    def per_user_click_probability(self, lists: Indexes) -> Floats:
        """Each visitor's click probability in a session, averaged over the session's effect.

        Given the visitor, sessions are independent: a rollout of these visitors is a Bernoulli draw per session
        with this probability (times a planted multiplier).

        Args:
            lists: (n_users, k) the item indexes each parent is shown; NO_ITEM where a list is shorter.

        Returns:
            (n_visitors,) float64 in [0, 1).
        """
        logits, items = self.visitor_logits(lists)
        return over_sessions(logits, items, self.config)

    def _keys(self, stream: _Stream, counter: Indexes) -> noise.Keys:
        return noise.extend(noise.start(self.seed, stream), counter)


def visitor_id(visitor: int) -> str:
    """The id that is hashed for assignment, e.g. ``sim-000123``."""
    return f"sim-{visitor:06d}"


def over_sessions(logits: Floats, items: Indexes, config: ClickConfig) -> Floats:
    """Click probability of a list, averaged over the session's effect.

    A Gauss-Hermite sum of seven nodes (Abramowitz & Stegun 25.4.46); at this spread it is exact to 1e-9.

    Args:
        logits: (n, k) without the session's effect.
        items: (n, k) item indexes; NO_ITEM where a list is shorter.
        config: The constants.

    Returns:
        (n,) float64 in [0, 1).
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(7)
    averaged = np.zeros(len(logits))
    for node, weight in zip(nodes, weights / weights.sum(), strict=True):
        averaged += weight * _any(_examined(logits + config.session_sd * node, items, config.examination))
    return averaged


def _examined(logits: Floats, items: Indexes, examination: float) -> Floats:
    """(n, k) click probabilities: the position is looked at and the item liked."""
    looked_at = np.arange(1, logits.shape[1] + 1, dtype=np.float64) ** -examination
    return np.where(items == NO_ITEM, 0.0, looked_at * expit(logits))


def _any(probability: Floats) -> Floats:
    """(n,) probability of at least one click."""
    return np.asarray(1.0 - np.prod(1.0 - probability, axis=1), dtype=np.float64)
