"""What a live bandit knows: caught up with the event log, and shared between policy servers in Redis.

The truth is the event log. The sums of an experiment as of a commit of the log are a function of the log alone
(experiments/bandit_sums.py), so every server has the same ones. Redis spares all but one of them the reading: whoever
first has added what came since the shared commit puts the sums of the later commit in its place, if nobody else has
(one script, so all of it happens or nothing), and the others take them over. A commit is thus counted exactly once,
whoever is killed when; a Redis that is down, emptied or away costs nothing but the sharing.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from sqlalchemy import Engine

from core.errors import DataError, FeatureStoreError
from events.aggregate import commits_so_far
from events.bandit_sessions import changed_sessions
from events.database import reading
from events.session_table import Worth
from experiments.bandit_sums import SUMS_VERSION, BanditSums, RewardedSession
from experiments.spec import ExperimentSpec
from experiments.spec_bandit import Bandit
from experiments.spec_traffic import BANDIT_LANE
from feature_repo.redis_client import connect, refusals

if TYPE_CHECKING:
    import redis

_PREFIX = "screentest:bandit"
_COMMIT = "commit"
#: Of an experiment that nobody serves any more.
_KEPT_S = 30 * 86_400
_PAUSE_S = 1.0
_TIMEOUT_S = 0.25
#: All fields at once: none stays of sums that had more of them, of a log that was put back to an earlier state.
#: KEYS: the hash. ARGV: the commit that must stand there (empty: none), the new one, seconds kept, fields and values.
_REPLACE = """
if (redis.call('HGET', KEYS[1], 'commit') or '') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'commit', ARGV[2])
for place = 4, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[place], ARGV[place + 1]) end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""

_log = logging.getLogger(__name__)


class Known(NamedTuple):
    """What is known as of a commit.

    Attributes:
        commit: Number of the log's commit; 0: nothing is.
        sums: The sums of all sessions by then.
    """

    commit: int
    sums: BanditSums


class BanditState:
    """One bandit's. Its methods block, and are for threads; ``policy`` is for anyone.

    Args:
        engine: The event log.
        spec: A bandit's.
        experiment_id: The experiment's own id, which no other event database has.
        redis_url: Where it is shared; empty: nowhere.

    Attributes:
        policy: Knows the log as it was at the last ``catch_up``.

    Raises:
        ConfigError: The spec has no bandit, or the URL is no address of a Redis.
    """

    def __init__(self, engine: Engine, spec: ExperimentSpec, experiment_id: str, redis_url: str = "") -> None:
        self._engine = engine
        self._spec = spec
        self._shared = None if not redis_url else SharedSums(redis_url, experiment_id, spec)
        self._known = Known(0, BanditSums(spec))
        self._turn = threading.Lock()
        self.policy: Bandit = self._known.sums.policy()

    @property
    def known(self) -> Known:
        """What the policy rests on."""
        return self._known

    def catch_up(self) -> bool:
        """Learn what the log has got since; whether that was anything.

        Raises:
            EventLogError: The log cannot be read; what is known stays.
        """
        with self._turn:
            theirs = self._shared.read(self._known) if self._shared else None
            # Read after the shared commit, which hence cannot be ahead of it, unless the log is another one.
            upto = commits_so_far(self._engine)
            shared_commit = None if theirs is None else theirs.commit
            if max(self._known.commit, shared_commit or 0) > upto:
                _log.warning(
                    "experiment %s: commit %d of an event log is known that has %d; it was put back to an earlier "
                    "state, and is read anew",
                    self._spec.name,
                    max(self._known.commit, shared_commit or 0),
                    upto,
                )
                return self._take(read_log(self._engine, self._spec, upto), shared_commit)
            if theirs is not None and theirs.commit > self._known.commit:
                return self._take(self._added(theirs, upto), theirs.commit)
            if upto == self._known.commit:
                return False
            return self._take(self._added(self._known, upto), shared_commit)

    def rebuild(self) -> Known:
        """Forget everything, read the whole log again, and share that.

        Raises:
            EventLogError: The log cannot be read; what is known stays.
        """
        with self._turn:
            found = read_log(self._engine, self._spec, commits_so_far(self._engine))
            if self._shared:
                self._shared.clear()
            self._take(found, None)
            return found

    def _added(self, known: Known, upto: int) -> Known:
        sums = known.sums.copy()
        _add(self._engine, self._spec, sums, known.commit, upto)
        return Known(upto, sums)

    def _take(self, found: Known, shared_commit: int | None) -> bool:
        self._known, self.policy = found, found.sums.policy()
        if self._shared and shared_commit != found.commit:
            self._shared.replace(shared_commit, found)
        return True


class SharedSums:
    """The sums of one bandit in Redis; what Redis does never raises.

    Args:
        url: ``redis://…``.
        experiment_id: The experiment's own id.
        spec: Its spec: sums of another one would mean something else.

    Raises:
        ConfigError: The URL is no address of a Redis.
    """

    def __init__(self, url: str, experiment_id: str, spec: ExperimentSpec) -> None:
        self._url = url
        self._client: redis.Redis = connect(url, timeout_s=_TIMEOUT_S)
        self._key = f"{_PREFIX}:{experiment_id}:{_fingerprint(spec)}"
        self._quiet_until = 0.0
        self._told = False

    def read(self, known: Known) -> Known | None:
        """What is shared; ``known``'s own sums where that is no newer; None where nothing is, or Redis is down."""
        try:
            if time.monotonic() < self._quiet_until:
                return None
            with refusals(self._url):
                found: Any = self._client.hget(self._key, _COMMIT)
                if found is None or int(found) <= known.commit:
                    self._well()
                    return None if found is None else Known(int(found), known.sums)
                fields: Any = self._client.hgetall(self._key)
            self._well()
            commit = int(fields.pop(_COMMIT.encode()))
            return Known(commit, known.sums.with_fields({name.decode(): blob for name, blob in fields.items()}))
        except FeatureStoreError as error:
            self._trouble(error)
        except (DataError, ValueError, KeyError) as error:
            _log.warning("%s holds something else than a bandit's sums (%s); they are made again", self._key, error)
            self.clear()
        return None

    def replace(self, expected: int | None, found: Known) -> bool:
        """Share sums, if what is shared is still that of the commit ``expected`` (None: nothing); whether it was."""
        if time.monotonic() < self._quiet_until:
            return False
        pairs = [part for pair in found.sums.fields().items() for part in pair]
        old = "" if expected is None else str(expected)
        try:
            with refusals(self._url):
                done: Any = self._client.eval(_REPLACE, 1, self._key, old, str(found.commit), str(_KEPT_S), *pairs)
            return bool(done)
        except FeatureStoreError as error:
            self._trouble(error)
            return False

    def clear(self) -> None:
        """Share nothing."""
        try:
            with refusals(self._url):
                self._client.delete(self._key)
        except FeatureStoreError as error:
            self._trouble(error)

    def _trouble(self, error: FeatureStoreError) -> None:
        self._quiet_until = time.monotonic() + _PAUSE_S
        if not self._told:
            _log.warning("%s; each policy server reads the event log by itself meanwhile", error)
        self._told = True

    def _well(self) -> None:
        if self._told:
            _log.warning("the bandit's sums are shared again")
        self._told = False


def read_log(engine: Engine, spec: ExperimentSpec, upto: int) -> Known:
    """The sums as of a commit, from the event log alone.

    Raises:
        EventLogError: The log cannot be read.
    """
    sums = BanditSums(spec)
    _add(engine, spec, sums, 0, upto)
    return Known(upto, sums)


def _add(engine: Engine, spec: ExperimentSpec, sums: BanditSums, after: int, upto: int) -> None:
    metric = spec.metrics.primary
    worth = Worth(metric.name, metric.event, metric.value)
    with reading(engine) as connection:
        changes = changed_sessions(
            connection, spec.name, BANDIT_LANE, worth, after=after, upto=upto, in_order=sums.counts_in_order
        )
        for part in changes:
            sums.add([RewardedSession(*change) for change in part])


def _fingerprint(spec: ExperimentSpec) -> str:
    """Of all that decides what the sums mean."""
    document = spec.document()
    parts = {"sums": SUMS_VERSION, **{name: document[name] for name in ("name", "variants", "traffic", "metrics")}}
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
