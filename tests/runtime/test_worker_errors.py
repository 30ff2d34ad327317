"""A fault in one client's data that the worker meets first names the client."""

import functools

import chain_oracle
import grpc
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from astraea_tff import models
from astraea_tff.client_datasets import endings as client_endings
from astraea_tff.clients import by_id
from astraea_tff.clients import process_by_id
from astraea_tff.clients import mediator_data
from astraea_tff.runtime import worker_errors
from astraea_tff.training import astraea


@functools.cache
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


def test_a_token_that_the_model_does_not_know_is_named(execution_context):
  def client(*tokens):
    texts = np.array([[1, 2, 3, 4, 5, 6, 7, token] for token in tokens])
    labels = np.zeros(len(tokens), np.int32)
    return tf.data.Dataset.from_tensor_slices(
        (texts.astype(np.int32), labels)
    ).batch(2)

  process = astraea.build_weighted_astraea(
      models.tff_model_fn(
          lambda: models.build_text_cnn(2, 20, 8), client(1).element_spec
      ),
      tff.learning.optimizers.build_sgdm(0.1),
      max_clients=2,
  )
  for token in (20, -1):
    clients = [client(19), client(3, token)]
    data = mediator_data.mediator_data([[0, 1]], clients, 2)
    with pytest.raises(RuntimeError) as raised:
      process.next(process.initialize(), data)
    assert str(raised.value) == (
        f'clients[1] has {token} among its features, but the model knows tokens'
        ' or categories in [0, 20).'
    )


def test_a_label_out_of_range_among_several_is_named():
  """In the words of TFF's worker, as a model of two losses makes them."""

  class Failure(grpc.RpcError):

    def code(self):
      return grpc.StatusCode.INTERNAL

    def details(self):
      return 'Received a label value of 7 which is outside the range of [0, 3)'

  def dataset(*labels):
    return tf.data.Dataset.from_tensors((tf.ones([2, 1]), labels)).batch(2)

  def message(*clients):
    with pytest.raises(RuntimeError) as raised:
      with worker_errors.named_errors([list(clients)]):
        raise Failure()
    return str(raised.value)

  good = dataset(tf.constant([0.5, 7.0]), tf.constant([1, 2]))
  assert message(good, dataset([1, 1], [7, 0])).endswith(
      '[0][1] has label 7, but the model has classes in [0, 3).'
  )
  # What cannot be searched leaves the worker's words.
  assert 'label value of 7' in message(good, tf.data.Dataset.range(3))


def test_a_client_that_never_ends_is_named(execution_context, monkeypatch):
  monkeypatch.setattr(client_endings, 'MOST_EXAMPLES_OF_UNKNOWN_NUMBER', 300)
  clients = _clients()
  clients[1] = clients[1].repeat().take_while(lambda x, y: True)
  with pytest.raises(RuntimeError) as raised:
    _train(clients)
  message = str(raised.value)
  assert message.startswith('clients[1] was read for 300 examples without')
  assert len(message.splitlines()) == 1


def _train_by_id(dataset_of):
  client_data = tff.simulation.datasets.ClientData.from_clients_and_tf_fn(
      ['a', '猫'], dataset_of
  )
  clients = by_id.ClientsById(client_data, 4, seed=0)
  process = process_by_id.read_by_id(_process(), clients)
  data = mediator_data.mediator_data([[0, 1]], clients.for_round(1), 2)
  return process.next(process.initialize(), data)


def test_faults_of_clients_by_id_are_named_too(execution_context, tmp_path):
  def with_a_label_out_of_range(client_id):
    label = tf.where(tf.equal(client_id, '猫'), 1000, 1)
    return tf.data.Dataset.from_tensors((tf.ones([5]), label))

  def with_a_missing_file(client_id):
    text = tf.io.read_file(tf.strings.join([str(tmp_path), '/', client_id]))
    label = tf.strings.to_number(text, tf.int32)
    return tf.data.Dataset.from_tensors((tf.ones([5]), label))

  with pytest.raises(RuntimeError, match="^client '猫' has label 1000, but"):
    _train_by_id(with_a_label_out_of_range)
  (tmp_path / 'a').write_text('1')
  with pytest.raises(RuntimeError) as raised:
    _train_by_id(with_a_missing_file)
  message = str(raised.value)
  assert message.startswith(f"client '猫' cannot be read: {tmp_path}/猫; No")
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
