"""Not working on answers that come too late: whoever wanted them has gone on without.

A server with one thread for its work answers in turn. Where more comes in than it can do, each request waits for those
before it, until all are answered after their callers' time-outs, and none of the work is of use to anybody. A request
whose time was over before its turn came costs next to nothing here.
"""

from __future__ import annotations

import asyncio

from starlette.types import Scope

from serving.access.request_head import ARRIVED

#: Header: how many milliseconds after it was sent its caller has no use for the answer any more.
WITHIN = "x-answer-within-ms"
_NAME = WITHIN.encode("ascii")


def is_too_late(scope: Scope, within_s: float = float("inf")) -> bool:
    """Whether nobody wants the answer to a request whose turn has come.

    Args:
        scope: Of a request; one that came by another protocol than ``LimitedHead`` is never late.
        within_s: How long after it arrived an answer is wanted, where the request itself does not say.
    """
    arrived = scope.get(ARRIVED)
    if arrived is None:
        return False
    for name, value in scope["headers"]:
        # Not too long: Python refuses to parse numbers of thousands of digits.
        if name == _NAME and value.isdigit() and len(value) < 10:
            within_s = int(value) / 1000
    return bool(asyncio.get_running_loop().time() - arrived >= within_s)
