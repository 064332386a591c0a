"""What every deployer in serving/deployers/registry.py that starts servers must do, over real HTTP.

The local one starts real model servers; the cluster's are played by tests/fake_kserve.py behind a fake API server.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from core.errors import ConfigError, ServerError, UnknownName
from serving.deployers.base import Deployer, Deployment, Site
from serving.deployers.registry import DEPLOYERS, deployer
from serving.processes import poll
from tests.fake_kserve import fake_cluster
from tests.small_registry import MODEL_NAME, register_small_models, small_interactions

FIRST, SECOND = f"models:/{MODEL_NAME}/1", f"models:/{MODEL_NAME}/2"


@pytest.fixture(scope="module")
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return register_small_models(
        tmp_path_factory.mktemp("registry"), {"popularity": {}, "ease": {}}, small_interactions()
    )


#: ``standing`` starts and stops nothing: tests/integration/test_standing_rollout.py.
@pytest.fixture(params=sorted(set(DEPLOYERS) - {"standing"}))
def place(request: pytest.FixtureRequest, tracking_uri: str, tmp_path: Path) -> Iterator[Deployer]:
    with ExitStack() as stack:
        site = Site(tmp_path, tracking_uri)
        if request.param == "kserve":
            cluster = stack.enter_context(fake_cluster(tmp_path, {FIRST, SECOND}))
            site = Site(tmp_path, "http://mlflow.test", cluster=cluster.settings)
        yield stack.enter_context(deployer(request.param)(site))


def version_at(url: str) -> str:
    answer = httpx.post(f"{url}/recommend", json={"user_id": 100, "k": 3}, trust_env=False)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["items"]) == 3
    return str(answer.json()["model_version"])


def ends(url: str, version: str) -> bool:
    """Whether a version soon stops answering at an address: nobody does any more, or another version."""

    def ended() -> bool:
        try:
            return version_at(url) != version
        except httpx.TransportError:
            return True

    return poll(ended, 30)


def test_a_canary_from_start_to_promotion(place: Deployer) -> None:
    place.apply(FIRST)
    place.wait()
    before = place.url("champion")
    assert version_at(before) == "1"
    assert place.url("control") == before, "champion and control share a server"
    with pytest.raises(ServerError, match="challenger"):
        place.url("challenger")

    place.apply(FIRST, SECOND)
    place.wait()
    champion, challenger = place.url("champion"), place.url("challenger")
    assert (version_at(champion), version_at(challenger)) == ("1", "2")
    assert version_at(before) == "1", "who still uses the address from before gets what it stood for"

    place.apply(FIRST, SECOND, 5)
    place.wait()
    place.apply(FIRST, SECOND, 25)
    place.wait()
    assert (place.url("champion"), place.url("challenger")) == (champion, challenger), "a step moves no server"
    assert (version_at(champion), version_at(challenger)) == ("1", "2")
    assert place.deployment == Deployment(FIRST, SECOND, 25)
    place.check()

    place.apply(FIRST, SECOND, 100)
    place.wait()
    assert version_at(champion) == "1", "until it is promoted, one can still go back"

    place.promote()
    place.wait()
    assert place.deployment == Deployment(SECOND)
    assert version_at(challenger) == "2", "the candidate's own server goes on"
    assert version_at(place.url("champion")) == "2"
    assert ends(before, "1")
    with pytest.raises(ServerError, match="challenger"):
        place.url("challenger")
    place.promote()
    assert place.deployment == Deployment(SECOND), "promoting again changes nothing"
    place.check()


def test_a_candidate_is_rolled_back(place: Deployer) -> None:
    place.apply(FIRST, SECOND, 50)
    place.wait()
    champion, challenger = place.url("champion"), place.url("challenger")
    place.rollback()
    assert place.deployment == Deployment(FIRST)
    assert version_at(champion) == "1"
    assert ends(challenger, "2")
    place.wait()
    assert place.url("champion") == champion
    place.rollback()
    assert place.deployment == Deployment(FIRST), "rolling back again changes nothing"
    place.apply(FIRST, SECOND, 5)
    place.wait()
    assert (version_at(place.url("champion")), version_at(place.url("challenger"))) == ("1", "2"), "a second attempt"


def test_another_stable_version_takes_over(place: Deployer) -> None:
    place.apply(FIRST)
    place.wait()
    place.apply(SECOND)
    place.wait()
    assert place.deployment == Deployment(SECOND)
    assert version_at(place.url("champion")) == "2"


def test_one_version_in_both_places_is_one_server(place: Deployer) -> None:
    place.apply(FIRST, FIRST, 50)
    place.wait()
    assert place.url("champion") == place.url("challenger")
    place.rollback()
    assert version_at(place.url("champion")) == "1"


def test_a_version_that_does_not_exist_is_reported(place: Deployer) -> None:
    place.apply(f"models:/{MODEL_NAME}/99")
    with pytest.raises(ServerError, match="recommender/99"):
        place.wait()


@pytest.mark.parametrize(
    ("stable", "candidate", "percent"),
    [("models:/recommender@champion", None, 0), (FIRST, "ease", 5), (FIRST, SECOND, 101), (FIRST, None, 5)],
)
def test_what_is_not_pinned_or_impossible_is_refused(
    place: Deployer, stable: str, candidate: str | None, percent: int
) -> None:
    with pytest.raises(ConfigError):
        place.apply(stable, candidate, percent)
    assert place.deployment is None


def test_nothing_deployed_has_no_url(place: Deployer) -> None:
    with pytest.raises(ServerError, match="champion"):
        place.url("champion")
    place.promote()
    place.rollback()
    assert place.deployment is None


def test_an_unknown_deployer_is_named() -> None:
    with pytest.raises(UnknownName, match="known: kserve, local"):
        deployer("lokal")
