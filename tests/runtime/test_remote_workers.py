"""A round over several workers: the result, and what becomes of a lost one."""

import contextlib
import logging
import os
import socket
import threading
import time

import chain_oracle
import numpy as np
import patience
import psutil
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import runtime
from astraea_tff.runtime import local_worker
from astraea_tff.runtime import remote_workers
from astraea_tff.scheduling import schedule as schedule_lib

CLIENTS = [chain_oracle.make_client(n, seed=n) for n in (7, 10, 4, 9, 3, 8, 5)]
MEDIATORS = [
    (CLIENTS[a], CLIENTS[b])
    for a, b in ((0, 1), (2, 3), (4, 5), (6, 0), (1, 2))
]


# Seconds after which a worker that is gone is given up.
_UNTIL_LOST = 5.0


class ServedWorker:
  """What scripts/worker.py runs, on one core, in this process."""

  def __init__(self, core=None, port=0):
    self.listener = socket.create_server(('127.0.0.1', port))
    self.port = self.listener.getsockname()[1]
    self.address = f'127.0.0.1:{self.port}'
    self.worker = local_worker.Worker(num_threads=1, listener=self.listener)
    self.worker.stub()
    self.cpu_seconds_at_start = self.cpu_seconds()
    if core is not None:
      for process in self.processes():
        process.cpu_affinity([core])

  def processes(self):
    relay = psutil.Process(self.worker.pid)
    return [relay, *relay.children()]

  def cpu_seconds(self):
    return sum(process.cpu_times().user for process in self.processes())

  def start_again(self):
    self.worker.restart_later()
    self.worker.stub()
    self.cpu_seconds_at_start = self.cpu_seconds()

  def kill(self):
    self.worker.stop()
    self.listener.close()


@pytest.fixture(autouse=True)
def restored_default_context():
  before = tff.framework.get_context_stack().current
  yield
  tff.framework.set_default_context(before)


@contextlib.contextmanager
def served_workers(number):
  """Starts workers, each limited to one core, the cores taken in turn."""
  cores = sorted(os.sched_getaffinity(0))
  workers = [ServedWorker(cores[i % len(cores)]) for i in range(number)]
  try:
    yield workers
  finally:
    for worker in workers:
      worker.kill()


def build_process(**arguments):
  return chain_oracle.build_process(
      optimizer='adam', max_clients=2, **arguments
  )


def train(process, num_rounds=2):
  state = process.initialize()
  for _ in range(num_rounds):
    state, metrics = process.next(state, MEDIATORS)
  weights = list(process.get_model_weights(state).trainable)
  return weights, metrics['client_work']['train']


@contextlib.contextmanager
def remote_context(workers, connection_timeout=patience.SECONDS):
  """As `set_remote_execution_context`, without ending the tests' worker."""
  remote = remote_workers.RemoteWorkers(
      [worker.address for worker in workers],
      connection_timeout=connection_timeout,
  )
  tff.framework.set_default_context(remote)
  try:
    yield remote
  finally:
    remote.close()


@pytest.mark.parametrize('number', [2, 4])
def test_several_workers_train_what_a_local_one_trains(
    number, execution_context
):
  process = build_process()
  expected, expected_metrics = train(process)
  with served_workers(number) as workers, remote_context(workers):
    before = [worker.cpu_seconds() for worker in workers]
    actual, metrics = train(process)
    after = [worker.cpu_seconds() for worker in workers]
  chain_oracle.assert_weights_close(actual, expected)
  for name, value in expected_metrics.items():
    np.testing.assert_allclose(metrics[name], value, rtol=1e-6)
  assert all(b < a for b, a in zip(before, after)), 'a worker had no share'


@contextlib.contextmanager
def killed_once_it_trains(worker):
  """Kills a worker in the middle of the round, from another thread.

  That is after the first hundredths of a second of the ten or more that its
  share takes. Should the round be over sooner, the test fails and does not wait.
  """
  before = worker.cpu_seconds()
  is_over = threading.Event()

  def wait_and_kill():
    while not is_over.wait(0.005):
      if worker.cpu_seconds() > before + 0.02:
        worker.kill()
        return

  thread = threading.Thread(target=wait_and_kill)
  thread.start()
  try:
    yield
  finally:
    is_over.set()
    thread.join()


@pytest.mark.parametrize('number', [1, 2, 4])
def test_passes_that_come_with_the_data_are_the_same_on_workers(
    number, execution_context
):
  process = build_process(mediator_epochs=None)
  schedule = schedule_lib.Schedule(
      ((0, 1), (2, 3), (4, 5), (6,)), [0.1, 0.2, 0.3, 0.4], 2
  )

  def train_passes():
    rounds = schedule.rounds(
        CLIENTS,
        4,
        seed=2,
        passes=lambda round_num, _: [round_num, 1, 0, 2],
        reshuffled=True,
    )
    state = process.initialize()
    for _ in range(2):
      state, metrics = process.next(state, next(rounds))
    weights = list(process.get_model_weights(state).trainable)
    return weights, metrics['client_work']['train']['num_examples']

  expected, expected_examples = train_passes()
  with served_workers(number) as workers, remote_context(workers):
    actual, examples = train_passes()
  # Partial sums are added in another order.
  chain_oracle.assert_weights_close(actual, expected, tolerance=1e-6)
  assert examples == expected_examples > 0


def test_lost_share_is_trained_again_and_nothing_else(
    execution_context, monkeypatch, caplog
):
  process = build_process(local_epochs=400)
  expected, _ = train(process)
  calls = []
  invoke = remote_workers.RemoteWorker.invoke

  async def counting_invoke(self, comp, arg):
    calls.append(self.address)
    return await invoke(self, comp, arg)

  monkeypatch.setattr(remote_workers.RemoteWorker, 'invoke', counting_invoke)
  with served_workers(2) as (lost, other), remote_context(
      [lost, other], _UNTIL_LOST
  ) as remote, caplog.at_level(logging.WARNING):
    state = process.initialize()
    calls.clear()
    state = process.next(state, MEDIATORS).state
    calls_of_a_round = len(calls)
    calls.clear()
    with killed_once_it_trains(lost):
      state = process.next(state, MEDIATORS).state
    assert len(calls) == calls_of_a_round + 1
    assert remote.addresses == (other.address,)
    actual = list(process.get_model_weights(state).trainable)
  chain_oracle.assert_weights_close(actual, expected, tolerance=1e-5)
  warnings = [r.getMessage() for r in caplog.records if 'again' in r.message]
  assert len(warnings) == 1
  assert lost.address in warnings[0]
  assert 'workers left: 1' in warnings[0]


def test_worker_that_comes_back_is_used_again(execution_context):
  process = build_process()
  with served_workers(2) as (first, second), remote_context(
      [first, second], _UNTIL_LOST
  ) as remote:
    expected, _ = train(process)
    first.kill()
    train(process)
    assert remote.addresses == (second.address,)
    again = ServedWorker(port=first.port)
    deadline = time.monotonic() + 60
    while len(remote.addresses) < 2 and time.monotonic() < deadline:
      time.sleep(0.1)
    before = again.cpu_seconds()
    actual, _ = train(process)
    assert again.cpu_seconds() > before
    again.kill()
  chain_oracle.assert_weights_close(actual, expected)


def test_error_when_no_worker_is_left(execution_context):
  process = build_process()
  with served_workers(1) as (only,), remote_context(
      [only], _UNTIL_LOST
  ):
    state = process.initialize()
    only.kill()
    with pytest.raises(RuntimeError, match=f'No TFF worker .*{only.address}'):
      process.next(state, MEDIATORS)


def test_share_that_ends_every_worker_is_given_up(execution_context):
  @tff.tensorflow.computation(np.int32)
  def endless(x):
    return tf.while_loop(
        lambda i: i >= 0, lambda i: tf.math.floormod(i + 1, 1000), [x]
    )[0]

  num_ends = [0, 0]
  is_over = threading.Event()

  def end_and_start_again(number, served):
    # As a service manager does with a worker that the share ends.
    while not is_over.wait(0.05):
      # A process may end while it is looked at.
      with contextlib.suppress(psutil.NoSuchProcess):
        if served.cpu_seconds() > 0.5 + served.cpu_seconds_at_start:
          num_ends[number] += 1
          served.start_again()

  with served_workers(2) as workers, remote_context(
      workers, connection_timeout=30.0
  ):
    threads = [
        threading.Thread(target=end_and_start_again, args=item, daemon=True)
        for item in enumerate(workers)
    ]
    for thread in threads:
      thread.start()
    try:
      with pytest.raises(RuntimeError, match='No TFF worker .* this share'):
        endless(1)
    finally:
      is_over.set()
      for thread in threads:
        thread.join()
  assert all(1 <= number <= 4 for number in num_ends)


def test_error_of_the_computation_is_not_taken_for_a_lost_worker():
  @tff.tensorflow.computation(np.int32)
  def divide(x):
    return 1 // x

  with served_workers(2) as workers, remote_context(workers) as remote:
    with pytest.raises(Exception, match='(?i)division by zero'):
      divide(0)
    assert len(remote.addresses) == 2
    assert divide(1) == 1


def test_worker_that_does_not_answer_is_named():
  with socket.create_server(('127.0.0.1', 0)) as silent:
    address = f'127.0.0.1:{silent.getsockname()[1]}'
    with pytest.raises(RuntimeError, match=f'{address} did not answer within'):
      runtime.set_remote_execution_context([address], connection_timeout=0.5)


@pytest.mark.parametrize(
    'addresses, error, match',
    [
        ('localhost:1', TypeError, 'must be a sequence'),
        ([], ValueError, 'at least one worker, got none'),
        ([10000], TypeError, 'must be strings, got 10000'),
        (['localhost'], ValueError, "form host:port, got 'localhost'"),
        ([':10000'], ValueError, 'form host:port'),
        (['localhost:port'], ValueError, 'form host:port'),
        (['localhost:70000'], ValueError, 'form host:port'),
        (['a:1', 'a:1'], ValueError, "names 'a:1' twice"),
    ],
)
def test_bad_addresses_are_refused(addresses, error, match):
  with pytest.raises(error, match=match):
    runtime.set_remote_execution_context(addresses)


def test_bad_timeout_is_refused():
  with pytest.raises(ValueError, match='`connection_timeout` must be finite and above 0'):
    runtime.set_remote_execution_context(['a:1'], connection_timeout=0)


def test_worker_listens_at_its_socket_alone():
  with served_workers(1) as (worker,):
    # Asked one by one: of a socket that several processes have, this one
    # included, `psutil.net_connections` names one alone.
    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for process in worker.processes()
        for connection in process.net_connections('tcp')
        if connection.status == 'LISTEN'
    }
  assert listening == {('127.0.0.1', worker.port)}
