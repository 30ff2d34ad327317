"""Where TFF's computations run: a local worker, or several anywhere."""

from astraea_tff.runtime.contexts import create_async_execution_context
from astraea_tff.runtime.contexts import create_federated_context
from astraea_tff.runtime.contexts import RemoteWorkers
from astraea_tff.runtime.contexts import set_local_execution_context
from astraea_tff.runtime.contexts import set_remote_execution_context
from astraea_tff.runtime.contexts import stop_worker
from astraea_tff.runtime.contexts import Worker
