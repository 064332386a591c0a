"""Policy servers with real model servers behind them, for every test of serving."""

from __future__ import annotations

from tests.managed_server import managed as managed
from tests.policy_servers import model_urls as model_urls
from tests.policy_servers import own_policy as own_policy
from tests.policy_servers import policy as policy
