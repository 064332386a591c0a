"""Made-up users, films and tastes, in the shape of a MovieLens release (loaders/synthetic_shapes.py).

Copied from MovieLens is shape alone: how active users are, how popular films are, how ratings are spread and when
people rate. Who likes what comes from latent taste: a film is rated by those whom it suits, and rated higher by
them, so that a model that knows the user can beat one that knows only popularity.

    log weight(u, i) = popularity_i + TASTE taste_u . traits_i                   which films a user rates
    liking(u, i)     = leniency_u + quality_i + LIKING taste_u . traits_i + noise        how high

Films are drawn without replacement by the Gumbel top-k trick (Kool et al. 2019, arXiv:1903.06059): the k largest of
log weight + Gumbel noise are k draws without replacement.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtri

from loaders.synthetic_shapes import YEAR_QUANTILES, WorldShape

#: A user of MovieLens has at least as many ratings.
MIN_ACTIVITY = 20
#: Nobody rates a larger share of the films.
MAX_ACTIVITY_SHARE = 0.75
#: Films get traits from their genres; (name, weight among films) follows ml-latest-small.
GENRES = {
    "Drama": 4361, "Comedy": 3756, "Thriller": 1894, "Action": 1828, "Romance": 1596, "Adventure": 1263,
    "Crime": 1199, "Sci-Fi": 980, "Horror": 978, "Fantasy": 779, "Children": 664, "Animation": 611, "Mystery": 573,
    "Documentary": 440, "War": 382, "Musical": 334, "Western": 167, "IMAX": 158, "Film-Noir": 87,
}  # fmt: skip
#: Share of films with 1, 2, 3 … genres.
_GENRES_PER_FILM = (0.30, 0.33, 0.24, 0.10, 0.03)

_N_TRAITS = 16
#: Share of the variance of a film's traits that its genres explain.
_GENRE_VARIANCE = 0.5
#: How much taste decides what is rated, and how high.
_TASTE, _LIKING = 1.2, 0.6
_LENIENCY, _QUALITY, _QUALITY_OF_POPULAR, _NOISE = 0.5, 0.4, 0.15, 0.9

#: A film that is not out yet is drawn only when every other one has been.
_NOT_OUT_YET = -1e6
#: Unrated films take over ratings of films that keep at least this many.
_SPARED = 5
#: Cells of the user x film matrix drawn at once: bounds memory, not results per user.
_CHUNK_CELLS = 20_000_000


class Films(NamedTuple):
    """The films there are.

    Attributes:
        popularity: (n_items,) float64 log weight.
        traits: (n_items, n_traits) float32, of length about 1.
        year: (n_items,) int64.
        genre: (n_items, n_genres) bool, in the order of ``GENRES``.
    """

    popularity: npt.NDArray[np.float64]
    traits: npt.NDArray[np.float32]
    year: npt.NDArray[np.int64]
    genre: npt.NDArray[np.bool_]


class Users(NamedTuple):
    """The users there are.

    Attributes:
        activity: (n_users,) int64 ratings each gives.
        taste: (n_users, n_traits) float32.
        arrival: (n_users,) float64 year of the first rating, with its fraction.
    """

    activity: npt.NDArray[np.int64]
    taste: npt.NDArray[np.float32]
    arrival: npt.NDArray[np.float64]


def draw_films(n_items: int, shape: WorldShape, rng: np.random.Generator) -> Films:
    """Films with a long tail of popularity, genres, and traits that films of a genre share."""
    z = _spread_normal(n_items, rng)
    (tail, popular), (head, pace) = shape.popularity, shape.head
    popularity = np.where(z > 0, popular, tail) * z
    popularity = np.where(popularity > head, head + pace * (popularity - head), popularity)
    genre = _draw_genres(n_items, rng)
    genre_traits = rng.standard_normal((len(GENRES), _N_TRAITS)) / np.sqrt(_N_TRAITS)
    of_genres = genre @ genre_traits / np.sqrt(genre.sum(axis=1, keepdims=True))
    own = rng.standard_normal((n_items, _N_TRAITS)) / np.sqrt(_N_TRAITS)
    traits = np.sqrt(_GENRE_VARIANCE) * of_genres + np.sqrt(1 - _GENRE_VARIANCE) * own
    year = np.floor(np.interp(rng.uniform(size=n_items), YEAR_QUANTILES, shape.years)).astype(np.int64)
    return Films(popularity, traits.astype(np.float32), year, genre)


def draw_users(n_users: int, n_ratings: int, n_items: int, shape: WorldShape, rng: np.random.Generator) -> Users:
    """Users whose activity is about log-normal and sums to ``n_ratings``, arriving evenly over the shape's years."""
    activity = _activity(_spread_normal(n_users, rng), n_ratings, int(MAX_ACTIVITY_SHARE * n_items), shape)
    taste = rng.standard_normal((n_users, _N_TRAITS)).astype(np.float32)
    return Users(activity, taste, rng.uniform(*shape.arrivals, size=n_users))


def draw_choices(
    users: Users, films: Films, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Who rates what.

    Returns:
        (n_ratings,) user_index ascending, and item_index; no pair twice. Nobody rates a film before its year while
        others are left. Every film is rated at least once where there are ratings enough.
    """
    n_items = len(films.popularity)
    user = np.repeat(np.arange(len(users.activity)), users.activity)
    step = max(_CHUNK_CELLS // n_items, 1)
    chunks = [slice(start, start + step) for start in range(0, len(users.activity), step)]
    item = np.concatenate(
        [_top_films(Users(users.activity[c], users.taste[c], users.arrival[c]), films, rng) for c in chunks]
    )
    return user, _every_film_once(user, item, users, films, rng)


def draw_ratings(
    user: npt.NDArray[np.int64],
    item: npt.NDArray[np.int64],
    users: Users,
    films: Films,
    shape: WorldShape,
    rng: np.random.Generator,
) -> npt.NDArray[np.float32]:
    """(n_ratings,) values spread as the shape's: the liking is cut at its own quantiles."""
    leniency = _LENIENCY * rng.standard_normal(len(users.activity))
    quality = _QUALITY * rng.standard_normal(len(films.popularity)) + _QUALITY_OF_POPULAR * films.popularity
    suits = np.einsum("rt,rt->r", users.taste[user], films.traits[item])
    liking = leniency[user] + quality[item] + _LIKING * suits + _NOISE * rng.standard_normal(len(user))
    values, counts = np.array(list(shape.stars), dtype=np.float32), np.array(list(shape.stars.values()))
    upper = np.cumsum(counts) / counts.sum() * len(user)
    rating = np.empty(len(user), dtype=np.float32)
    rating[np.argsort(liking, kind="stable")] = values[np.searchsorted(upper, np.arange(len(user)), side="right")]
    return rating


def _spread_normal(n: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """(n,) normal deviates, one from each n-th of the distribution: every seed has the same long tail."""
    return rng.permutation(ndtri((np.arange(n) + rng.uniform(0.4, 0.6, size=n)) / n))


def _activity(z: npt.NDArray[np.float64], n_ratings: int, most: int, shape: WorldShape) -> npt.NDArray[np.int64]:
    """Ratings of each user, MIN_ACTIVITY … most, about log-normal above the minimum, summing to ``n_ratings``."""
    slope, bend, lift = shape.activity
    above = np.exp(slope * z - bend * z * z + lift * z**3)

    def surplus(log_scale: float) -> float:
        return float(np.minimum(MIN_ACTIVITY + np.exp(log_scale) * above, most).sum()) - n_ratings

    exact = np.minimum(MIN_ACTIVITY + np.exp(brentq(surplus, -60, 60)) * above, most)
    activity = np.floor(exact).astype(np.int64)
    rounded_up = np.argsort(activity - exact, kind="stable")[: n_ratings - int(activity.sum())]
    activity[rounded_up] += 1
    return activity


def _draw_genres(n_items: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    weights = np.log(np.array(list(GENRES.values())))
    rank = np.argsort(np.argsort(-(weights + rng.gumbel(size=(n_items, len(GENRES)))), axis=1), axis=1)
    n_genres = 1 + rng.choice(len(_GENRES_PER_FILM), p=_GENRES_PER_FILM, size=n_items)
    return rank < n_genres[:, None]


def _top_films(users: Users, films: Films, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """The films of each user, one user after the other."""
    key = _TASTE * users.taste @ films.traits.T
    key += films.popularity.astype(np.float32)
    # Minus the log of an exponential is a Gumbel; the smallest number keeps a drawn zero finite.
    key -= np.log(rng.standard_exponential(key.shape, dtype=np.float32) + np.finfo(np.float32).tiny)
    key[films.year > users.arrival[:, None]] += _NOT_OUT_YET
    order: npt.NDArray[np.int64] = np.argsort(-key, axis=1)
    return order[np.arange(key.shape[1]) < users.activity[:, None]]


def _every_film_once(
    user: npt.NDArray[np.int64], item: npt.NDArray[np.int64], users: Users, films: Films, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Give each unrated film one rating of a film that can spare it; users keep their activity."""
    count = np.bincount(item, minlength=len(films.popularity))
    unrated = np.flatnonzero(count == 0)
    shuffled = rng.permutation(len(item))
    by_film = shuffled[np.argsort(item[shuffled], kind="stable")]
    place = np.arange(len(item)) - (np.cumsum(count) - count)[item[by_film]]
    spare = rng.permutation(by_film[place >= _SPARED])
    arrival = users.arrival[user[spare]]
    # Newest films to the latest users among as many; whoever came before the film gives way to a latecomer.
    unrated = unrated[np.argsort(-films.year[unrated], kind="stable")][: len(spare)]
    giver = np.argsort(-arrival[: len(unrated)], kind="stable")
    too_early = np.flatnonzero(arrival[giver] < films.year[unrated])
    latecomers = len(unrated) + np.argsort(-arrival[len(unrated) :], kind="stable")
    giver[too_early[: len(latecomers)]] = latecomers[: len(too_early)]
    item = item.copy()
    item[spare[giver]] = unrated
    return item
