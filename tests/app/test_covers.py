import base64
import doctest
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app import covers, genres
from app.cover_shapes import SHAPES
from app.covers import HEIGHT, WIDTH, cover_svg, cover_uri, described, shown_title
from app.genres import LOOKS, OTHER, contrast, look_of
from loaders.synthetic_world import GENRES

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return ["".join(found.itertext()) for found in ElementTree.fromstring(svg).iter() if found.tag in (f"{SVG}tspan",)]


def test_doctests() -> None:
    assert doctest.testmod(covers).failed == doctest.testmod(genres).failed == 0


@pytest.mark.parametrize("name", [*LOOKS, "a genre nobody has drawn"])
def test_every_genre_has_a_look_of_its_own_that_can_be_read(name: str) -> None:
    look, _ = look_of([name])
    assert contrast(look.ground, "#ffffff") >= 5
    assert contrast(look.ground, look.light) >= 2
    assert cover_svg("Heat (1995)", 1995, [name])


def test_no_two_genres_look_alike_and_each_shape_has_its_genre() -> None:
    looks = [*LOOKS.values(), OTHER]
    assert {look.shape for look in looks} == set(SHAPES)
    assert len({look.ground for look in looks}) == len({look.shape for look in looks}) == len(looks)


def test_every_genre_of_movielens_is_drawn() -> None:
    assert set(GENRES) <= set(LOOKS)


@pytest.mark.parametrize("names", [["Horror", "Sci-Fi"], ["Sci-Fi", "Horror"], ["unheard of", "Sci-Fi", "Horror"]])
def test_the_most_telling_genre_gives_the_ground_and_the_next_a_light(names: list[str]) -> None:
    svg = cover_svg("Alien (1979)", 1979, names)
    assert "1979 · Horror" in svg
    assert LOOKS["Horror"].ground in svg
    assert LOOKS["Sci-Fi"].light in svg
    assert LOOKS["Sci-Fi"].ground not in svg


def test_the_same_film_gets_the_same_cover_and_another_one_another() -> None:
    assert cover_svg("Heat (1995)", 1995, ["Action"]) == cover_svg("Heat (1995)", 1995, ["Action"])
    art = {cover_svg(title, 1995, ["Action"]).partition("<text")[0] for title in ("Heat", "Speed", "Ronin", "Taken")}
    assert len(art) == 4


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Heat (1995)", "Heat"),
        ("American President, The (1995)", "The American President"),
        ("Avventura, L' (1960)", "L'Avventura"),
        ("2001: A Space Odyssey (1968)", "2001: A Space Odyssey"),
        ("Babylon 5", "Babylon 5"),
        ("(2010)", "(2010)"),
    ],
)
def test_a_title_is_shown_as_people_say_it(title: str, shown: str) -> None:
    assert shown_title(title) == shown


def test_a_long_title_is_cut_after_four_lines() -> None:
    lines = texts(
        cover_svg("Borat: Cultural Learnings of America for Make Benefit Glorious Nation of Kazakhstan", 2006, [])
    )
    assert len(lines) == 4
    assert lines[-1].endswith("…")
    assert texts(cover_svg("Heat", None, [])) == ["Heat"]


@given(
    st.text(max_size=200),
    st.none() | st.integers(1870, 2100),
    st.lists(st.sampled_from([*LOOKS, "<b>", "a\x01"]), max_size=4),
)
@example("Heat\x0b\x00 (1995)", None, [])
@example("\ud800", None, [])
def test_whatever_the_title_the_cover_is_well_formed(title: str, year: int | None, names: list[str]) -> None:
    root = ElementTree.fromstring(cover_svg(title, year, names))
    assert (root.get("width"), root.get("height")) == (str(WIDTH), str(HEIGHT))
    assert len(texts(cover_svg(title, year, names))) <= 4


def test_nothing_in_a_cover_is_fetched() -> None:
    for name in LOOKS:
        svg = cover_svg('A "quoted" & <b>bold</b> title', 1999, [name]).replace(
            'xmlns="http://www.w3.org/2000/svg"', ""
        )
        assert not any(word in svg for word in ("http", "href", "@import", "<b>", "<image", "<script"))
    head, data = cover_uri("Heat", 1995, ["Action"]).split(",")
    assert head == "data:image/svg+xml;base64"
    assert base64.b64decode(data).decode() == cover_svg("Heat", 1995, ["Action"])


def test_a_cover_in_words() -> None:
    assert (
        described("American President, The (1995)", 1995, ["Comedy", "Drama"])
        == "The American President, 1995, Comedy, Drama"
    )
    assert described("Babylon 5", None, []) == "Babylon 5"
