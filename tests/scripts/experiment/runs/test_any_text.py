"""Names of any text in tables, pages, pictures, and paths of flags."""

from absl import flags
from absl.testing import flagsaver
import numpy as np
import pytest

from experiment.runs import flags as flags_lib
from experiment.runs import per_class
from experiment.runs import plots
from experiment.runs import tables

NAMES = [
    'NA', 'nan', '', 'null', '1', '007', 'a,b', 'say "x"', 'pipe|d', 'a\nb',
    'a\r\nb', '$5 or $6', '_hidden', '猫', 'قطة', 'кот', '\\', r'x\$y', '#',
    "it's", ' spaced ', '\udcff',
]
MEASURES = {
    name: np.linspace(0, 1, len(NAMES)) for name in per_class.MEASURES
}


def test_tables_keep_every_name(tmp_path):
  path = tmp_path / 'per_class.csv'
  table = per_class.PerClassTable(path, NAMES)
  table.write(0, MEASURES)
  per_class.PerClassTable(path, NAMES).write(5, MEASURES)
  read = tables.read_csv(path, '', text=['class'], integers=['round'])
  assert read['class'].tolist() == NAMES * 2
  np.testing.assert_array_equal(read['f1'], np.tile(MEASURES['f1'], 2))


def test_markdown_keeps_a_name_in_its_cell():
  lines = tables.markdown(['name'], [[name] for name in NAMES]).split('\n')
  assert len(lines) == 2 + len(NAMES)
  assert r'| pipe\|d |' in lines and '| a b |' in lines


@pytest.mark.filterwarnings('ignore:.*[Gg]lyph')
def test_pictures_are_drawn_with_every_name(tmp_path):
  names = NAMES[:-1]
  counts = np.ones(len(names), int)
  plots.plot_label_histogram(tmp_path / 'a.png', {'now': counts}, names)
  plots.plot_confusion_matrix(
      tmp_path / 'b.png', np.eye(len(names), dtype=int), names
  )
  plots.plot_accuracy(
      tmp_path / 'c.png', {name: [([0, 1], [0.1, 0.2])] for name in names}
  )
  plots.plot_bars(
      tmp_path / 'd.png', {name: np.ones(1) for name in names}, 'x'
  )
  for path in tmp_path.iterdir():
    assert path.read_bytes().startswith(b'\x89PNG')
  assert plots.plain('$5') == r'\$5'


def test_a_picture_is_whole_or_as_it_was(tmp_path, monkeypatch):
  path = tmp_path / 'picture.png'
  path.write_bytes(b'before')

  def write_half(self, file, **options):
    file.write(b'half')
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr('matplotlib.figure.Figure.savefig', write_half)
  with pytest.raises(OSError, match='No space'):
    plots.plot_client_sizes(path, np.arange(3))
  assert [p.read_bytes() for p in tmp_path.iterdir()] == [b'before']


def test_a_table_with_a_cut_line_is_damaged(tmp_path):
  path = tmp_path / 'table.csv'
  path.write_text('a,b\n1,2\n3\n')
  with pytest.raises(ValueError, match='table.csv is damaged.*Mend it'):
    tables.read_csv(path, 'Mend it.')


def test_a_tilde_means_home_in_the_flag_of_a_path(tmp_path, monkeypatch):
  with flagsaver.flagsaver():
    flags_lib.define_path('some_path', None, 'A path.')
    monkeypatch.setenv('HOME', str(tmp_path))
    flags.FLAGS.unparse_flags()
    flags.FLAGS(['program', '--some_path=~/x'])
    assert flags.FLAGS.some_path == f'{tmp_path}/x'
    monkeypatch.setattr('os.path.expanduser', lambda path: path)
    with pytest.raises(flags.IllegalFlagValueError, match='there is no home'):
      flags.FLAGS(['program', '--some_path=~/x'])


def test_a_tilde_means_home_in_the_setting_of_a_file(tmp_path, monkeypatch):
  with flagsaver.flagsaver():
    if 'policy_file' not in flags.FLAGS:
      flags_lib.define_flags(['policy_file'])
    monkeypatch.setenv('HOME', str(tmp_path))
    flags.FLAGS.unparse_flags()
    flags.FLAGS(['program', '--policy_file=~/x'])
    assert flags.FLAGS.policy_file == f'{tmp_path}/x'
