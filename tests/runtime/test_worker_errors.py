"""A fault in one client's data that the worker meets first names the client."""

import chain_oracle
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff.clients import mediator_data
from astraea_tff.training import astraea


def _process():
  return astraea.build_weighted_astraea(
      chain_oracle.variable_model_fn,
      tff.learning.optimizers.build_sgdm(0.01),
      max_clients=2,
  )


def _with_damaged_file(clients, folder):
  path = folder / 'pixels 猫.png'
  path.write_bytes(b'no image')

  def read(x, y):
    image = tf.io.decode_png(tf.io.read_file(str(path)))
    return x + tf.cast(tf.reduce_sum(tf.cast(image, tf.int32)), x.dtype), y

  damaged = clients[2].map(read)
  damaged.file_paths = [str(path)]
  return path, damaged.prefetch(1)


def _train(clients):
  process = _process()
  data = mediator_data.mediator_data([[0, 1], [2, 3]], clients, 2)
  return process.next(process.initialize(), data)


def _clients():
  return [chain_oracle.make_client(n, seed=n) for n in (7, 10, 4, 9)]


def test_a_damaged_file_is_named_with_its_client(execution_context, tmp_path):
  clients = _clients()
  path, clients[2] = _with_damaged_file(clients, tmp_path)
  with pytest.raises(RuntimeError) as raised:
    _train(clients)
  message = str(raised.value)
  assert message.startswith(f'clients[2] cannot be read: {path}: ')
  assert len(message.splitlines()) == 1


def test_a_label_out_of_range_is_named_with_its_client(execution_context):
  clients = _clients()
  clients[3] = clients[3].map(lambda x, y: (x, y + 1000))
  with pytest.raises(RuntimeError) as raised:
    _train(clients)
  message = str(raised.value)
  assert message.startswith('clients[3] has label 100')
  assert len(message.splitlines()) == 1


def test_another_error_is_one_line(execution_context):
  @tff.tensorflow.computation(np.int32)
  def divide(x):
    return 1 // x

  with pytest.raises(RuntimeError) as raised:
    divide(0)
  message = str(raised.value)
  assert 'ivision by zero' in message or 'ivide by zero' in message
  assert len(message.splitlines()) == 1
