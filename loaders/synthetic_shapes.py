"""The shapes that made-up data can take: figures of real releases, and what the generator needs to meet them.

No row of any release is in here. The figures of ml-latest-small were read off the release, which may be
redistributed; those of ML-1M are published: its README (users, ratings, at least 20 each), and the counts of ratings of
each value, the quartiles and maxima of ratings per user and per film that every exploration of it prints.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import UnknownName


@dataclass(frozen=True)
class WorldShape:
    """What a release is like.

    Attributes:
        n_users: Users.
        n_items: Rated films.
        n_ratings: Ratings.
        stars: Ratings of each value; their mean and spread are met exactly.
        activity: (a, b, c) of log(ratings of a user - 20) = const + a z - b z^2 + c z^3, z standard normal.
        popularity: (tail, popular): slopes of log popularity over z, of the less and of the more popular half of the
            films.
        head: (from, pace): log popularity beyond ``from`` grows at ``pace``, as no film is rated by everybody.
        years: Film years at the quantiles ``YEAR_QUANTILES``.
        arrivals: Users come evenly over these years.
        last_year: No rating is later.
    """

    n_users: int
    n_items: int
    n_ratings: int
    stars: dict[float, int]
    activity: tuple[float, float, float]
    popularity: tuple[float, float]
    head: tuple[float, float]
    years: tuple[int, ...]
    arrivals: tuple[float, float]
    last_year: float


YEAR_QUANTILES = (0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1)

ML_LATEST_SMALL = WorldShape(
    n_users=610,
    n_items=9_724,
    n_ratings=100_836,
    stars={
        0.5: 1370, 1: 2811, 1.5: 1791, 2: 7551, 2.5: 5550, 3: 20047, 3.5: 13136, 4: 26818, 4.5: 8551, 5: 13211,
    },
    activity=(1.75, 0.155, 0.0),
    popularity=(1.0, 2.1),
    head=(5.0, 0.55),
    years=(1902, 1934, 1954, 1967, 1988, 1999, 2008, 2013, 2015, 2018),
    arrivals=(1996.25, 2018.5),
    last_year=2018.7,
)  # fmt: skip

ML_1M = WorldShape(
    n_users=6_040,
    n_items=3_706,
    n_ratings=1_000_209,
    stars={1: 56_174, 2: 107_557, 3: 261_197, 4: 348_971, 5: 226_310},
    activity=(1.52, 0.2725, 0.0296),
    popularity=(1.98, 1.8),
    head=(1.8, 0.7),
    years=(1919, 1931, 1942, 1954, 1979, 1994, 1997, 1999, 2000, 2000),
    arrivals=(2000.32, 2001.0),
    last_year=2003.16,
)

SHAPES = {"ml-latest-small": ML_LATEST_SMALL, "ml-1m": ML_1M}


def shape(name: str) -> WorldShape:
    """The shape of a release.

    Raises:
        UnknownName: There is none of that name.
    """
    if name not in SHAPES:
        raise UnknownName("shape of made-up data", name, SHAPES, "loaders/synthetic_shapes.py")
    return SHAPES[name]
