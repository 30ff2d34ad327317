"""study_kinds.py: its settings, real users' messages, and a run of a round."""

import pathlib
import random

import numpy as np
import pytest
import script_runner

_FLAGS = pathlib.Path(script_runner.SCRIPTS) / 'flags'


@pytest.fixture(scope='module')
def script():
  with script_runner.loaded('study_kinds') as script:
    yield script


@pytest.fixture
def archive(tmp_path):
  """40 users with one to nine messages of three tokens, each its own."""
  rng = np.random.default_rng(0)
  users = rng.permutation(np.repeat(np.arange(40), rng.integers(1, 10, 40)))
  tokens = np.stack([users, np.arange(len(users)), users % 2], axis=1)
  path = tmp_path / 'messages.npz'
  np.savez(
      path, user=users, tokens=tokens.astype(np.int16) + 2,
      label=(users % 2).astype(np.uint8),
      vocabulary=np.array([f'word {n}' for n in range(len(users) + 40)]),
  )
  return path


def test_the_algorithms_are_those_of_the_flagfiles(script):
  parse = {'float': float, 'str': str}
  for (name, settings), file in zip(
      script.ALGORITHMS.items(), ('recommended', 'fedavg')
  ):
    lines = (_FLAGS / f'{file}.flags').read_text().splitlines()
    given = dict(line[2:].split('=') for line in lines if line[:2] == '--')
    assert settings == {
        key: parse[type(settings[key]).__name__](value)
        for key, value in given.items()
    }, name


def test_a_user_belongs_to_one_client_or_to_the_test_set(script, archive):
  data = script.load_messages_of_users(archive)
  test_users = set(data.test_features[:, 0])
  owners = [
      set(data.features[indices, 0])
      for indices in data.partition.client_indices
  ]
  assert len(test_users) == 4
  assert sum(map(len, owners)) == 36
  assert set.union(*owners, test_users) == set(range(2, 42))
  sizes = data.label_counts.sum(axis=1)
  assert (sizes[:-1] >= 50).all() and sizes.max() < 60
  used = np.concatenate(data.partition.client_indices)
  assert len(used) + len(data.test_labels) == len(data.labels)
  assert data.feature_names[:3] == ('', '<unknown>', 'word 0')


def test_another_file_is_one_line(script, tmp_path):
  path = tmp_path / 'other.npz'
  for content in (dict(user=np.zeros(3)), None):
    path.write_text('x')
    if content:
      np.savez(path, **content)
    with pytest.raises(SystemExit) as refusal:
      script_runner.run(script, [
          f'--messages_of_users={path}', f'--output_dir={tmp_path / "out"}'
      ])
    message = refusal.value.code
    assert 'an archive of the arrays user, tokens' in message
    assert '\n' not in message


@pytest.mark.parametrize(
    'changes, match',
    [
        ({'label': np.zeros(3, int)}, r'label must be .* got int64 \[3\]'),
        ({'label': np.full(20, 0.7)}, 'label must be integers'),
        ({'user': np.arange(12)}, 'user must be .* as many as in tokens'),
        ({'user': np.zeros(20, int)}, 'user must have 10 users .* got 1'),
        ({'tokens': np.int64(1)}, 'tokens must be'),
        ({'tokens': np.full((20, 3), 2**40)}, 'tokens must hold .* int32, got'),
        ({'label': np.full(20, 2**63, np.uint64)}, 'label must hold .* int32'),
        ({'vocabulary': np.array('word')}, 'vocabulary must have one axis'),
    ],
)
def test_arrays_of_other_shapes_are_refused(script, tmp_path, changes, match):
  arrays = dict(
      user=np.arange(20),
      tokens=np.ones((20, 3), int),
      label=np.zeros(20, int),
      vocabulary=np.array(['word']),
  )
  path = tmp_path / 'messages.npz'
  np.savez(path, **(arrays | changes))
  with pytest.raises(ValueError, match=f'--messages_of_users=.*{match}'):
    script.load_messages_of_users(str(path))


def test_a_damaged_archive_is_refused_or_reads_as_it_was(script, tmp_path):
  path = tmp_path / 'messages.npz'
  np.savez_compressed(
      path,
      user=np.arange(20),
      tokens=np.ones((20, 3), int),
      label=np.zeros(20, int),
      vocabulary=np.array(['word']),
  )
  whole = script.load_messages_of_users(str(path))
  content = path.read_bytes()
  generator, refused = random.Random(1), 0
  for _ in range(100):
    damaged = bytearray(content)
    damaged[generator.randrange(len(content))] ^= 0xFF
    path.write_bytes(damaged)
    try:
      data = script.load_messages_of_users(str(path))
    except ValueError as error:
      refused += 1
      assert 'must be an archive of the arrays' in str(error)
    else:
      # What a ZIP archive says twice, or to other readers.
      np.testing.assert_array_equal(data.features, whole.features)
  assert refused > 50


def test_what_is_no_archive_is_refused(script, tmp_path):
  path = tmp_path / 'messages.npz'
  with pytest.raises(ValueError, match='--messages_of_users=.* is no file'):
    script.load_messages_of_users(str(path))
  path.write_bytes(b'')
  with pytest.raises(ValueError, match='must be an archive'):
    script.load_messages_of_users(str(path))
  with path.open('wb') as file:
    np.save(file, np.arange(3))
  with pytest.raises(ValueError, match='must be an archive'):
    script.load_messages_of_users(str(path))


def test_a_seed_given_twice_is_refused(script, tmp_path):
  with pytest.raises(SystemExit, match='--seed must be given different'):
    script_runner.run(
        script, [f'--output_dir={tmp_path / "out"}', *['--seed=1'] * 2]
    )
  assert not (tmp_path / 'out').exists()


def test_a_study_of_one_round(script, archive, tmp_path, monkeypatch):
  """A second time everything is there."""
  data = script._DATA[script._USERS] | {'clients_per_round': 2}
  monkeypatch.setattr(script, '_DATA', {script._USERS: data})
  monkeypatch.setattr(
      script, 'ALGORITHMS',
      {'FedAvg, server Adam': script.ALGORITHMS['FedAvg, server Adam']},
  )
  arguments = [
      f'--messages_of_users={archive}', '--rounds=1', '--seed=4',
      f'--output_dir={tmp_path / "out"}',
  ]
  script_runner.run(script, arguments)
  table = (tmp_path / 'out' / 'kinds.md').read_text()
  lines = [line for line in table.splitlines() if 'FedAvg, server Adam' in line]
  assert len(lines) == 1 and lines[0].startswith('| messages of users, ')
  monkeypatch.setattr(script, 'measure', None)
  script_runner.run(script, arguments)
  assert (tmp_path / 'out' / 'kinds.md').read_text() == table
  # Other messages under the same name are not added to the table.
  arrays = dict(np.load(archive))
  np.savez(archive, **(arrays | {'label': 1 - arrays['label']}))
  with pytest.raises(SystemExit, match='holds a run with other flags'):
    script_runner.run(script, [*arguments, '--seed=5'])
