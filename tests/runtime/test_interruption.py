"""Calls after an interrupted one, in forked processes and in other threads."""

import forked_program
import patience

_PREAMBLE = """
import os, signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
import numpy as np
import tensorflow as tf
import tensorflow_federated as tff
from astraea_tff import runtime

worker = runtime.set_local_execution_context(
    num_threads=1, startup_timeout=600.0)

@tff.tensorflow.computation(np.int32)
def add_two(x):
  return x + 2

@tff.tensorflow.computation(np.int32)
def endless(x):
  return tf.while_loop(
      lambda i: i >= 0, lambda i: tf.math.floormod(i + 1, 1000), [x])[0]

def interrupt_soon():
  threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()

assert add_two(1) == 3
first = worker.pid
"""


def _run(program):
  completed = forked_program.run(patience.SECONDS, code=_PREAMBLE + program)
  assert completed.returncode == 0, completed.stderr
  return completed.stdout.splitlines()


def test_the_call_after_ctrl_c_is_answered_by_a_new_worker():
  output = _run("""
for _ in range(6):  # More often than a worker that dies is started again.
  interrupt_soon()
  try:
    endless(1)
  except KeyboardInterrupt:
    print('interrupted', add_two(40), worker.pid != first)
time.sleep(2)
# Nor does what was interrupted go on, in this worker or another one.
import psutil
(child,) = psutil.Process().children()
print(child.cpu_percent(1) < 50)
""")
  assert output == 6 * ['interrupted 42 True'] + ['True']


def test_the_call_after_a_cancelled_one_is_answered():
  output = _run("""
import asyncio
context = runtime.create_federated_context()
tff.framework.set_default_context(context)

async def compute(computation):
  return await tff.program.materialize_value(computation(40))

interrupt_soon()
try:
  asyncio.run(compute(endless))
except KeyboardInterrupt:
  print('interrupted', asyncio.run(compute(add_two)))
""")
  assert output == ['interrupted 42']


def test_the_call_after_a_cancelled_one_is_answered_by_remote_workers():
  output = _run("""
import asyncio, socket
from astraea_tff.runtime import local_worker
listener = socket.create_server(('127.0.0.1', 0))
served = local_worker.Worker(num_threads=2, listener=listener)
served.stub()
runtime.set_remote_execution_context(
    [f'127.0.0.1:{listener.getsockname()[1]}'], connection_timeout=600.0)
context = runtime.create_federated_context()
tff.framework.set_default_context(context)

async def compute(computation):
  return await tff.program.materialize_value(computation(40))

async def give_up_and_go_on():
  try:
    await asyncio.wait_for(compute(endless), 1)
  except asyncio.TimeoutError:
    print('cancelled', await compute(add_two))

asyncio.run(give_up_and_go_on())
served.stop()
""")
  assert output == ['cancelled 42']


def test_a_forked_process_has_one_line_and_leaves_the_parents_worker():
  output = _run("""
context = tff.framework.get_context_stack().current
child = os.fork()
if not child:
  for call in (lambda: add_two(1), runtime.set_local_execution_context,
               runtime.create_async_execution_context, worker.stub):
    try:
      call()
    except RuntimeError as error:
      print(error, flush=True)
  runtime.stop_worker()
  os._exit(0)
os.waitpid(child, 0)
print(add_two(40), worker.pid == first)
""")
  assert len(output) == 5
  assert all('forked' in line and '"spawn"' in line for line in output[:4])
  assert output[4] == '42 True'


def test_a_threads_context_leaves_another_threads_worker():
  output = _run("""
import psutil

def compute():
  second = runtime.set_local_execution_context(
      num_threads=1, startup_timeout=600.0)
  print(add_two(40), second.pid != first)

for _ in range(2):
  thread = threading.Thread(target=compute)
  thread.start()
  thread.join()
print(add_two(40), worker.pid == first)
# The worker of a thread that is over ends with the next one's start.
print(len(psutil.Process().children()))
runtime.stop_worker()
print(len(psutil.Process().children()))
""")
  assert output == ['42 True', '42 True', '42 True', '2', '0']
