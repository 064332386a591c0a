"""What only the local deployer does; what every deployer does is in tests/contracts/test_deployer_contract.py."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from core.errors import ServerError
from serving.deployers.base import Site
from serving.deployers.local import LocalDeployer
from serving.processes import poll
from tests.small_registry import MODEL_NAME, register_small_models, small_interactions

FIRST, SECOND = f"models:/{MODEL_NAME}/1", f"models:/{MODEL_NAME}/2"


@pytest.fixture(scope="module")
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    models = {"popularity": {}, "item_knn": {}}
    return register_small_models(tmp_path_factory.mktemp("registry"), models, small_interactions())


@pytest.fixture
def place(tracking_uri: str, tmp_path: Path) -> Iterator[LocalDeployer]:
    with LocalDeployer(Site(tmp_path, tracking_uri)) as made:
        yield made


def test_a_dead_server_is_named_and_started_again_by_the_same_wish(place: LocalDeployer) -> None:
    place.apply(FIRST, SECOND, 5)
    place.wait()
    champion, dead = place.pid("champion"), place.pid("challenger")
    psutil.Process(dead).kill()
    complaints: list[ServerError] = []

    def noticed() -> bool:
        # A process with threads looks dead for a moment before its parent can know of it.
        try:
            place.check()
        except ServerError as error:
            complaints.append(error)
        return bool(complaints)

    assert poll(noticed, 30)
    assert str(complaints[0]).startswith(f"model server {SECOND} (pid {dead}) ended with signal 9 (SIGKILL)")
    assert not psutil.pid_exists(dead), "it was waited for"
    place.check("champion", "control")
    place.apply(FIRST, SECOND, 5)
    place.wait()
    place.check()
    assert place.pid("champion") == champion
    assert place.pid("challenger") != dead


def test_no_server_and_no_port_file_outlives_the_deployer(place: LocalDeployer) -> None:
    place.apply(FIRST, SECOND, 5)
    place.wait()
    pids = [place.pid("champion"), place.pid("challenger")]
    assert len(list(place.site.folder.glob("*.port"))) == 2
    place.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert list(place.site.folder.glob("*.port")) == []
    place.close()


def test_a_server_that_cannot_load_its_model_says_why(place: LocalDeployer) -> None:
    place.apply(FIRST, f"models:/{MODEL_NAME}/99")
    with pytest.raises(ServerError) as caught:
        place.wait()
    first, *tail = str(caught.value).splitlines()
    assert "exit code 1" in first
    assert str(place.site.folder) in first
    assert any("99" in line for line in tail), "the server's own last words"


def test_a_server_that_is_slow_is_given_up(place: LocalDeployer) -> None:
    place.apply(FIRST)
    with pytest.raises(ServerError, match=r"not ready after 0\.01 s"):
        place.wait(timeout_s=0.01)
    assert os.getpid() in [parent.pid for parent in psutil.Process(place.pid("champion")).parents()]
