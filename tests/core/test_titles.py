import pytest

from core.titles import natural_title


@pytest.mark.parametrize(
    ("filed", "said"),
    [
        ("American President, The (1995)", "The American President (1995)"),
        ("Avventura, L'", "L'Avventura"),
        ("Good, the Bad and the Ugly, The (1966)", "The Good, the Bad and the Ugly (1966)"),
        ("Heat (1995)", "Heat (1995)"),
        ("City of Lost Children, The (Cité des enfants perdus, La) (1995)",) * 2,
        ("", ""),
    ],
)
def test_the_article_comes_first_and_the_year_stays(filed: str, said: str) -> None:
    assert natural_title(filed) == said
