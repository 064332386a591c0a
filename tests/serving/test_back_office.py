"""The process beside the policy server: who asks the same waits for one answer, and a queue has an end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter

import psutil
import pytest

from core.errors import BadInput, ServerError
from serving.management import back_office
from serving.management.back_office import MOST_WAITING, BackOffice


def test_the_same_question_is_asked_once_and_others_wait_only_up_to_a_number() -> None:
    async def asked() -> Counter[str]:
        office = BackOffice("arguments", {})
        questions = [{"models": ["no such model"], "seed": number} for number in range(MOST_WAITING)]
        try:
            waiting = [asyncio.create_task(office.ask(question, 60)) for question in [*questions, questions[0]]]
            await asyncio.sleep(0)
            with pytest.raises(ServerError, match="16 questions wait already; try again later"):
                await office.ask({"models": ["another"]}, 60)
            found = await asyncio.gather(*waiting, return_exceptions=True)
            assert all(isinstance(one, BadInput) for one in found)
            assert found[0] is found[-1]
            # There is room again.
            with pytest.raises(BadInput):
                await office.ask({"models": ["another"]}, 60)
        finally:
            await office.close()
        return Counter(type(one).__name__ for one in found)

    assert asyncio.run(asked()).total() == MOST_WAITING + 1


def test_an_answer_that_takes_too_long_is_there_for_who_asks_again() -> None:
    question = {"models": ["no such model"]}

    async def asked() -> None:
        office = BackOffice("arguments", {})
        try:
            with pytest.raises(ServerError, match=r"arguments: no answer within 0\.001 s; try again later"):
                await office.ask(question, 0.001)
            [clerk] = clerks()
            with pytest.raises(BadInput, match="no such model"):
                await office.ask(question, 60)
            assert clerks() == [clerk], "the same process went on working on it"
        finally:
            await office.close()

    asyncio.run(asked())
    assert clerks() == []


def test_a_clerk_that_hangs_is_ended_and_the_next_question_gets_another(monkeypatch: pytest.MonkeyPatch) -> None:
    async def asked() -> None:
        office = BackOffice("arguments", {})
        try:
            with pytest.raises(BadInput):
                await office.ask({"models": ["no such model"]}, 60)
            [clerk] = clerks()
            os.kill(clerk, signal.SIGSTOP)
            monkeypatch.setattr(back_office, "STUCK_S", 0.2)
            with pytest.raises(ServerError, match=r"no answer for 0\.2 s; its process was ended"):
                await office.ask({"models": ["another"]}, 60)
            monkeypatch.undo()
            with pytest.raises(BadInput):
                await office.ask({"models": ["another"]}, 60)
            assert clerk not in clerks()
        finally:
            await office.close()

    asyncio.run(asked())


def clerks() -> list[int]:
    """Process ids of this process's clerks."""
    return [child.pid for child in psutil.Process().children() if "serving.management.clerk" in child.cmdline()]
