"""The file of a policy: whole, of something else, damaged."""

import random

import numpy as np
import pytest

from astraea_tff.control import learned

# 12 observations, 32 hidden units, one number of passes.
_WEIGHTS = np.zeros(13 * 32 + 33)


def _write(path, **changes):
  arrays = dict(version=1, passes=(1,), hidden=32, weights=_WEIGHTS) | changes
  kept = {name: array for name, array in arrays.items() if array is not None}
  np.savez(path, **kept)
  return path


def test_what_is_written_is_read(tmp_path):
  policy = learned.LearnedPasses(seed=3, passes=(1, 4), hidden=5)
  path = tmp_path / 'policy.npz'
  path.write_text('an older one')
  policy.save(path)
  read = learned.LearnedPasses.frozen(path)
  assert read.passes == (1, 4)
  np.testing.assert_array_equal(read.state['weights'], policy.state['weights'])
  # Which is what stands in the way of the others' refusal.
  learned.LearnedPasses.frozen(_write(tmp_path / 'by_hand.npz'))


def test_a_path_may_begin_with_the_home(tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path))
  learned.LearnedPasses(seed=3).save('~/policy.npz')
  assert (tmp_path / 'policy.npz').is_file()
  assert learned.LearnedPasses.frozen('~/policy.npz').passes == (1, 2)


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(weights=None), 'weights'),
        (dict(version=2), 'its version is 2'),
        (dict(version=(1, 2)), 'that LearnedPasses.save wrote'),
        (dict(weights=np.zeros(3)), r'must be float64 \[449\], got float64 \[3\]'),
        (dict(weights=_WEIGHTS * 1j), 'got complex128'),
        (dict(weights=_WEIGHTS + np.nan), 'weights must be finite'),
        (dict(hidden=10**12), r'must be float64 \[14000000000001\]'),
        (dict(hidden=2.5), 'hidden must be'),
        (dict(hidden=-1), 'hidden must be at least 1, got -1'),
        (dict(passes=(0, 1)), 'at least 1, got 0'),
        (dict(passes=(1.5,)), 'must be an int, got 1.5'),
        (dict(passes=((1, 2),)), 'must be an int'),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, changes, message):
  path = _write(tmp_path / 'policy.npz', **changes)
  with pytest.raises(ValueError, match=message) as refusal:
    learned.LearnedPasses.frozen(path)
  assert str(path) in str(refusal.value)
  assert '..' not in str(refusal.value)


def test_a_damaged_file_is_refused_or_reads_as_it_was(tmp_path):
  path = _write(tmp_path / 'policy.npz')
  content = path.read_bytes()
  generator = random.Random(1)
  refused = 0
  damaged = [b'', b'weights', content[:10], content[: len(content) // 2]]
  for _ in range(200):
    at = generator.randrange(len(content))
    damaged.append(
        content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]
    )
  for changed in damaged:
    path.write_bytes(changed)
    try:
      policy = learned.LearnedPasses.frozen(path)
    except ValueError as error:
      refused += 1
      assert 'that LearnedPasses.save wrote' in str(error)
    else:
      # What a ZIP archive says twice, or to other readers.
      np.testing.assert_array_equal(policy.state['weights'], _WEIGHTS)
  assert refused > 150


def test_a_wrong_option_is_not_laid_to_the_file(tmp_path):
  path = _write(tmp_path / 'policy.npz')
  with pytest.raises(ValueError, match=r'^explore must be'):
    learned.LearnedPasses.pretrained(path, seed=0, explore=2)


def test_a_file_that_cannot_be_opened_is_an_oserror(tmp_path):
  with pytest.raises(FileNotFoundError):
    learned.LearnedPasses.frozen(tmp_path / 'nowhere.npz')
  with pytest.raises(IsADirectoryError):
    learned.LearnedPasses.frozen(tmp_path)
