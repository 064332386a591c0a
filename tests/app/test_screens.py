"""The page's logic without a browser: what is drawn for what the policy server tells, and when it is drawn again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.main import SCREENS
from app.words import LANGUAGES, word
from events.database import open_database
from experiments.result import RolloutResult
from serving.policy_process import PolicyProcess
from tests.page_outline import PageOutline
from tests.rollout_examples import SPEC, promoted, rolled_back, running
from tests.written_rollouts import write_looks, write_rollout

MAIN = str(Path(__file__).parents[2] / "app" / "main.py")


class Server:
    """A policy server whose log the test writes."""

    def __init__(self, folder: Path) -> None:
        self._engine = open_database(f"sqlite:///{folder / 'events.db'}")
        self.process = PolicyProcess(f"sqlite:///{folder / 'events.db'}", folder)
        self.process.wait_alive(60)

    def write(self, name: str, result: RolloutResult) -> None:
        write_rollout(self._engine, replace(result, experiment=name), SPEC.model_copy(update={"name": name}))

    def finish(self, name: str, result: RolloutResult, already: int) -> None:
        spec = SPEC.model_copy(update={"name": name})
        write_looks(self._engine, replace(result, experiment=name), spec, result.looks[already:])

    def close(self) -> None:
        self.process.stop()
        self._engine.dispose()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A policy server of the test's own, which the page asks."""
    started = Server(tmp_path)
    monkeypatch.setattr("sys.argv", ["app/main.py", "--policy", started.process.url])
    yield started
    started.close()


def opened(**query: str) -> AppTest:
    page = AppTest.from_file(MAIN, default_timeout=60)
    for name, value in query.items():
        page.query_params[name] = value
    return page.run()


def said(page: AppTest) -> str:
    """All text of our own blocks; the style sheet is none."""
    assert not page.exception, page.exception
    bodies = [element.proto.body for element in page.get("html")]
    return "\n".join(PageOutline(body).text for body in bodies if "<style" not in body)


def moves(page: AppTest) -> bool:
    return bool(page.session_state["moving.experiments"]) if "moving.experiments" in page.session_state else False


def test_the_verdict_in_a_sentence_with_its_figures(server: Server) -> None:
    server.write("demo", promoted())
    page = opened()
    text = said(page)
    assert "Promoted: ease beats popularity" in text
    assert "+26.2 %" in text
    assert "the whole always-valid interval lies above zero" in text
    assert "demo · 18,0" in text
    assert len(page.get("vega_lite_chart")) == 1
    assert not page.selectbox, "there is nothing to choose"
    assert not moves(page)


def test_in_korean_by_address_and_by_choice(server: Server) -> None:
    server.write("demo", rolled_back())
    page = opened(lang="ko")
    assert "롤백" in said(page)
    page.session_state["lang"] = "en"
    assert "Rolled back: ease lost to popularity" in said(page.run())
    assert "Rolled back" in said(opened(lang="xx"))


def test_one_of_several_experiments(server: Server) -> None:
    server.write("first", rolled_back())
    server.write("second", promoted())
    page = opened()
    assert "Promoted: ease beats popularity" in said(page)
    page.selectbox[0].select("first").run()
    assert "Rolled back: ease lost to popularity" in said(page)


def test_the_experiment_chosen_stays_while_another_one_moves(server: Server) -> None:
    told = promoted()
    server.write("first", rolled_back())
    server.write("second", replace(told, looks=told.looks[:9], decision="continue"))
    page = opened()
    page.selectbox[0].select("first").run()
    server.finish("second", told, already=9)
    assert "Rolled back: ease lost to popularity" in said(page.run())
    page.session_state["lang"] = "ko"
    assert "롤백" in said(page.run())


def test_a_running_experiment_is_drawn_again_until_it_is_over(server: Server) -> None:
    told = promoted()
    server.write("demo", replace(told, looks=told.looks[:9], decision="continue"))
    page = opened()
    assert "Still running: ease against popularity" in said(page)
    assert moves(page)
    server.finish("demo", told, already=9)
    page.run()
    assert "Promoted: ease beats popularity" in said(page)
    assert not moves(page)


def test_before_the_first_look_there_is_nothing_to_draw(server: Server) -> None:
    server.write("demo", replace(running(), steps=(), looks=()))
    page = opened()
    assert "No look has an interval yet" in said(page)
    assert not page.get("vega_lite_chart")


def test_no_experiment_yet(server: Server) -> None:
    page = opened()
    assert "No experiment yet" in said(page)
    assert moves(page), "it looks again by itself"


def test_the_policy_server_is_down_and_comes_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.write("demo", promoted())
    monkeypatch.setattr("sys.argv", ["app/main.py", "--policy", "http://127.0.0.1:9"])
    page = opened()
    assert "The policy server does not answer" in said(page)
    assert "http://127.0.0.1:9 does not answer" in said(page)
    assert moves(page)
    monkeypatch.setattr("sys.argv", ["app/main.py", "--policy", server.process.url])
    page.run()
    assert "Promoted: ease beats popularity" in said(page)
    assert not moves(page)


def test_an_address_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["app/main.py", "--policy", "localhost"])
    assert "must be the policy server's address" in said(opened())


def test_lists_without_a_routed_model_say_so(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def lists() -> None:
        from app.screens.lists import show

        show("en")

    server.write("demo", promoted())
    page = AppTest.from_function(lists, default_timeout=60).run()
    assert "no experiment is routed" in said(page)
    assert sorted(page.selectbox[0].options) == ["101", "102", "103"]


def test_every_screen_has_a_file_and_a_name() -> None:
    folder = Path(MAIN).parent / "screens"
    files = {file.stem for file in folder.glob("*.py")} - {"__init__"}
    assert {module.rpartition(".")[2] for module in SCREENS.values()} == files
    for language in LANGUAGES:
        assert all(word(language, f"page.{name}") for name in SCREENS)
