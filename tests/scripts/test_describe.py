"""describe.py: printed figures against NumPy, the pictures, the refusals."""

import pathlib
import re

import forked_program
import numpy as np
import patience
import pytest
import script_runner

from astraea_tff import datasets
from experiment.runs import population as population_lib
from experiment.runs import settings as settings_lib

NUM_CLIENTS, NUM_CLASSES = 6, 10
DATA = (
    '--dataset=digits',
    f'--num_clients={NUM_CLIENTS}',
    '--num_examples=240',
    '--global_distribution=long_tail',
    '--imbalance_factor=5',
    '--local_distribution=n_classes',
    '--classes_per_client=5',
)
ARGUMENTS = (
    *DATA, '--seed=3', '--alpha=0.5', '--max_clients=2', '--max_clients=4'
)
PICTURES = (
    'client_sizes.png',
    'contact_sheet.png',
    'kl_divergence.png',
    'label_histogram.png',
)


@pytest.fixture(scope='module')
def describe():
  with script_runner.loaded('describe') as script:
    yield script


@pytest.fixture(scope='module')
def folder(describe, tmp_path_factory):
  folder = tmp_path_factory.mktemp('describe') / 'new' / 'digits'
  script_runner.run(describe, [*ARGUMENTS, f'--output_dir={folder}'])
  return folder


@pytest.fixture(scope='module')
def text(folder):
  return (folder / 'describe.txt').read_text()


@pytest.fixture(scope='module')
def counts():
  """What the clients have, before augmentation."""
  data = datasets.load(
      'digits',
      num_clients=NUM_CLIENTS,
      seed=3,
      num_examples=240,
      global_distribution='long_tail',
      imbalance_factor=5.0,
      local_distribution='n_classes',
      classes_per_client=5,
  )
  return np.stack([
      np.bincount(data.labels[indices], minlength=NUM_CLASSES)
      for indices in data.partition.client_indices
  ])


@pytest.fixture(scope='module')
def augmented_counts():
  """What train.py would train on with these flags."""
  settings = settings_lib.Settings(
      num_clients=NUM_CLIENTS,
      num_examples=240,
      global_distribution='long_tail',
      imbalance_factor=5.0,
      local_distribution='n_classes',
      classes_per_client=5,
      clients_per_round=1,
      alpha=0.5,
  )
  return population_lib.make_population(settings, 3).counts


def divergence(counts, target=None):
  """D_KL by its definition, the target uniform by default."""
  target = np.ones(len(counts)) if target is None else np.asarray(target)
  p, q = counts / counts.sum(), target / target.sum()
  return sum(x * np.log(x / y) for x, y in zip(p, q) if x > 0)


def greedy_divergences(counts, max_clients, target=None):
  """Algorithm 3 by brute force."""
  left, divergences = list(range(len(counts))), []
  while left:
    pooled = np.zeros(counts.shape[1])
    for _ in range(min(max_clients, len(left))):
      best = min(left, key=lambda k: divergence(pooled + counts[k], target))
      left.remove(best)
      pooled += counts[best]
    divergences.append(divergence(pooled, target))
  return divergences


def numbers(text, title):
  """Returns the numbers of the one line that starts with `title`."""
  (line,) = [l for l in text.splitlines() if re.match(f'{title}  ', l)]
  return [float(cell.replace(',', '')) for cell in line[len(title):].split()]


def statistics(values):
  return [f(values) for f in (np.min, np.mean, np.median, np.max)]


def test_sizes_and_imbalance_are_those_of_the_partition(text, counts):
  sizes = counts.sum(axis=1)
  assert '240 training examples in use of 1,497, 300 test examples' in text
  assert 'images 28x28x1' in text
  assert '6 clients, 10 classes, 240 examples' in text
  assert numbers(text, 'size    examples of a client') == pytest.approx(
      statistics(sizes), abs=0.051
  )
  assert numbers(text, 'local   KL of a client, nats') == pytest.approx(
      statistics([divergence(row) for row in counts]), abs=5.1e-5
  )
  assert f'global  KL {divergence(counts.sum(axis=0)):.4f} nats' in text


def test_each_class_has_its_copies_and_its_counts(
    text, counts, augmented_counts
):
  before, after = counts.sum(axis=0), augmented_counts.sum(axis=0)
  mean = before.mean()
  copies = np.where(before < mean, np.sqrt(mean / before), 1)
  for label in range(NUM_CLASSES):
    printed = numbers(text, f'{label}    ')
    assert printed[0] == before[label] and printed[3] == after[label]
    assert printed[1] == pytest.approx(copies[label], abs=5.1e-4)
    assert printed[2] == pytest.approx(before[label] * copies[label], abs=0.051)
  assert 0 < np.count_nonzero(before < mean) < NUM_CLASSES


def test_plan_names_its_classes_and_what_they_cost(
    text, counts, augmented_counts
):
  before = counts.sum(axis=0)
  mean = before.mean()
  minorities = np.flatnonzero(before < mean)
  names = ', '.join(str(label) for label in minorities)
  assert f'augmented classes: {names}\n' in text
  assert 'held back by the cap: none\n' in text
  extra = (np.sqrt(mean * before[minorities]) - before[minorities]).sum()
  # 28x28 pixels and an int32 label.
  assert (
      f'expected extra storage: {extra:.1f} examples, '
      f'{100 * extra / 240:.1f} %, '
      f'{extra * (28 * 28 + 4) / 1e6:.2f} MB\n'
  ) in text
  actual = augmented_counts.sum() - 240
  assert f'actual extra storage: {actual} examples\n' in text
  assert actual > 0


def test_divergences_are_those_of_clients_and_of_brute_force_mediators(
    text, counts, augmented_counts
):
  groups = {
      'clients': [divergence(row) for row in counts],
      'augmented clients': [divergence(row) for row in augmented_counts],
      'greedy mediators of 2': greedy_divergences(augmented_counts, 2),
      'greedy mediators of 4': greedy_divergences(augmented_counts, 4),
  }
  assert 'KL divergence from the uniform distribution' in text
  for name, values in groups.items():
    title = name.ljust(len('augmented clients'))
    assert numbers(text, title)[0] == len(values)
    assert numbers(text, title)[1:] == pytest.approx(
        statistics(values), abs=5.1e-5
    ), name


def test_random_mediators_are_of_ten_schedules(text, augmented_counts):
  for gamma, num_mediators in ((2, 3), (4, 2)):
    divergences = []
    for seed in range(10):
      order = np.random.default_rng(seed).permutation(NUM_CLIENTS)
      for start in range(0, NUM_CLIENTS, gamma):
        clients = order[start : start + gamma]
        divergences.append(divergence(augmented_counts[clients].sum(axis=0)))
    printed = numbers(text, f'random mediators of {gamma}')
    assert printed[0] == 10 * num_mediators
    assert printed[1:] == pytest.approx(statistics(divergences), abs=5.1e-5)


def test_same_command_prints_what_it_writes_and_again_the_same(
    describe, folder, text, tmp_path, capsys
):
  pictures = {name: (folder / name).read_bytes() for name in PICTURES}
  script_runner.run(describe, [*ARGUMENTS, f'--output_dir={tmp_path}'])
  assert capsys.readouterr().out == text
  assert (tmp_path / 'describe.txt').read_text() == text
  assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
      (*PICTURES, 'describe.txt')
  )
  for name, content in pictures.items():
    assert content.startswith(b'\x89PNG')
    assert (tmp_path / name).read_bytes() == content


def test_pooled_target_without_augmentation(describe, tmp_path, capsys, counts):
  script_runner.run(
      describe,
      [
          *DATA,
          '--seed=3',
          '--alpha=0',
          '--target=pooled',
          '--max_clients=3',
          f'--output_dir={tmp_path}',
      ],
  )
  printed = capsys.readouterr().out
  pooled = counts.sum(axis=0)
  assert 'KL divergence from the pooled distribution' in printed
  assert 'augmented classes: none\n' in printed
  assert 'actual extra storage: 0 examples\n' in printed
  own = statistics([divergence(row, pooled) for row in counts])
  for name in ('clients', 'augmented clients'):
    title = name.ljust(len('augmented clients'))
    assert numbers(printed, title)[1:] == pytest.approx(own, abs=5.1e-5)
  assert numbers(printed, 'greedy mediators of 3')[1:] == pytest.approx(
      statistics(greedy_divergences(counts, 3, pooled)), abs=5.1e-5
  )


@pytest.mark.parametrize(
    'arguments, match',
    [
        (['--dataset=imagenet'], "'imagenet' is unknown"),
        (['--num_clients=0'], 'num_clients=0 must be at least 1'),
        (['--alpha=3'], r'alpha=3.0 must be in \[0, 2\]'),
        (['--max_clients=3', '--max_clients=0'], 'max_clients=0 must be at'),
        (
            ['--max_clients=3', '--max_clients=3'],
            r'--max_clients must be given different values, got \[3, 3\]',
        ),
        (['--num_examples=100000'], 'example'),
        (
            ['--dataset=mnist', '--data_dir=/nonexistent'],
            'is not in /nonexistent/mnist.* --data_dir',
        ),
    ],
)
def test_bad_values_are_refused_in_one_line(
    describe, tmp_path, arguments, match
):
  message = refuse(describe, [*arguments, f'--output_dir={tmp_path}'])
  assert re.search(match, message), message
  assert not list(tmp_path.iterdir())


def test_output_folder_that_cannot_be_made_is_refused(describe, tmp_path):
  (tmp_path / 'file').write_text('')
  message = refuse(describe, [*DATA, f'--output_dir={tmp_path}/file/new'])
  assert 'file' in message


def refuse(script, arguments):
  """Runs the script where it must fail; returns its one line."""
  with pytest.raises(SystemExit) as refusal:
    script_runner.run(script, arguments)
  message = refusal.value.code
  assert isinstance(message, str), 'would exit with 0'
  assert message.startswith('describe.py: ') and '\n' not in message
  return message


def test_piped_command_ends_and_prints_nothing_else(
    describe, folder, text, tmp_path
):
  del folder
  done = forked_program.run(
      patience.SECONDS,
      script=describe.__file__,
      arguments=[*ARGUMENTS, f'--output_dir={tmp_path}'],
  )
  assert done.returncode == 0, done.stderr
  assert done.stdout == text
  assert not done.stderr


def test_the_command_for_a_preset_runs(describe, tmp_path):
  undefok = re.findall(r'--undefok=\S+', describe.__doc__)
  preset = pathlib.Path(describe.__file__).parent / 'flags' / 'demo.flags'
  script_runner.run(
      describe,
      [f'--flagfile={preset}', *undefok, f'--output_dir={tmp_path}'],
  )
  assert (tmp_path / 'describe.txt').read_text()
