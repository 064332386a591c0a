"""The policy server as a child process, and the rollout controller's way to make it read its route again."""

from __future__ import annotations

import sys
from pathlib import Path

from core.api_key import NO_KEY
from core.errors import ServerError
from core.settings import load_settings
from events.api_keys import Role
from serving.access.guarded import asks_for_keys
from serving.access.own_key import OwnKey
from serving.processes import ServerCommand, ServerProcess
from serving.remote_policy import RemotePolicy


class PolicyProcess:
    """A policy server on this machine.

    Args:
        events_url: Its event log, ``sqlite:////absolute/path/events.db`` or ``postgresql+psycopg://…``.
        folder: For its log and port file.
        host: Address to bind.
        port: 0 takes any free one.
        k: Length of a list; None: the setting.
        model_timeout_s: A model server that has not answered after this has failed; None: the setting.
        spare_lists: Whether a remembered or a popular list is answered where no model server gives one.
        role: Of the key that this process gets where the server asks for one.

    Attributes:
        api_key: That key; empty where it asks for none.
    """

    def __init__(
        self,
        events_url: str,
        folder: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        k: int | None = None,
        model_timeout_s: float | None = None,
        spare_lists: bool = True,
        role: Role = "operator",
    ) -> None:
        keys = asks_for_keys(load_settings().access, host)
        self._own_key = OwnKey(events_url, role) if keys else None
        self.api_key = self._own_key.text if self._own_key else NO_KEY
        given = {"--k": k, "--model-timeout-s": model_timeout_s}
        port_file = folder / "policy.port"
        self._server = ServerProcess(
            ServerCommand(
                name="policy server",
                argv=[
                    *(sys.executable, "-m", "serving.policy_server"),
                    *("--host", host, "--port", str(port), "--port-file", str(port_file)),
                    *(word for name, value in given.items() if value is not None for word in (name, str(value))),
                    *([] if spare_lists else ["--no-spare-lists"]),
                ],
                port_file=port_file,
                log_file=folder / "policy.log",
                ready_path="/healthz",
                host=host,
                # Not as an argument: everybody on the machine may read those, and it may hold a password.
                environment={"SCREENTEST_EVENTS_URL": events_url},
            )
        )

    @property
    def url(self) -> str:
        """Base URL, once it is alive."""
        return self._server.url

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._server.pid

    def wait_alive(self, timeout_s: float) -> None:
        """Return once it answers; it is ready for users only when it has a route.

        Raises:
            ServerError: It ended first, or the time is over.
        """
        self._server.wait_ready(timeout_s)

    def refresh(self, experiment: str) -> int:
        """Make it read its route again.

        Args:
            experiment: Whose route the database holds.

        Returns:
            The revision now in force.

        Raises:
            ServerError: It has died, or answered nonsense.
        """
        try:
            return RemotePolicy(self.url, self.api_key).refresh(experiment)
        except ServerError:
            # That it has died, and of what, is more than that it does not answer.
            self.check()
            raise

    def check(self) -> None:
        """Raise if it has died.

        Raises:
            ServerError: Names exit code and last log lines.
        """
        self._server.check()

    def stop(self) -> None:
        """End it in order, so that what it has queued is committed."""
        self._server.stop()
        if self._own_key is not None:
            self._own_key.end()
            self._own_key = None
