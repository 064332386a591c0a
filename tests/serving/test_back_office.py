"""The process beside the policy server: who asks the same waits for one answer, and a queue has an end."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from core.errors import BadInput, ServerError
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
