"""Names of any text in tables, pages, pictures, and paths of flags."""

import asyncio
import sys

from absl import flags
from absl.testing import flagsaver
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from experiment.runs import contact_sheet_plots
from experiment.runs import flags as flags_lib
from experiment.runs import folder as folder_lib
from experiment.runs import metrics_log
from experiment.runs import names as names_lib
from experiment.runs import page
from experiment.runs import per_class
from experiment.runs import picture_text
from experiment.runs import plots
from experiment.runs import tables

NAMES = [
    'NA', 'nan', '', 'null', '1', '007', 'a,b', 'say "x"', 'pipe|d', 'a\nb',
    'a\r\nb', '$5 or $6', '_hidden', '猫', 'قطة', 'кот', '\\', r'x\$y', '#',
    "it's", ' spaced ', '\udcff', '\ud800', 'Icon\r', '\x1b[31m', 'n\0', 'n',
    'x' * 300, '猫' * 300, 'é', 'e\u0301', 'Case', 'case', '\u202eabc', '🙂',
]
if sys.version_info < (3, 11):
  NAMES.remove('n\0')  # Refused, as Python does not write it.
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


def test_a_nul_is_refused_where_python_does_not_write_it(tmp_path, monkeypatch):
  monkeypatch.setattr('sys.version_info', (3, 10, 13))
  table = per_class.PerClassTable(tmp_path / 'per_class.csv', ['n\0', 'n'])
  measures = {name: np.zeros(2) for name in per_class.MEASURES}
  with pytest.raises(ValueError, match='per_class.csv has a name with a NUL'):
    table.write(0, measures)


def test_markdown_keeps_a_name_in_its_cell():
  lines = tables.markdown(['name'], [[name] for name in NAMES]).split('\n')
  assert len(lines) == 2 + len(NAMES)
  assert r'| pipe\|d |' in lines and '| a b |' in lines


@pytest.mark.parametrize(
    'name, cell',
    [
        (r'a\|b', r'a\\\|b'),
        ('<b>*x*</b>', r'\<b\>\*x\*\</b\>'),
        ('_my_run_', r'\_my_run\_'),
        ('[a](b) & `c`', r'\[a\](b) \& \`c\`'),
        ('$5', r'\$5'),
        ('Icon\r', 'Icon'),
        ('\x1b[31m\udcff', r'\\x1b\[31m\\udcff'),
        ('\u202eabc', r'\\u202eabc'),
        ('', ''),
    ],
)
def test_markdown_shows_a_name_as_it_is(name, cell):
  table = tables.markdown(['name'], [[names_lib.in_markdown(name)]])
  assert table.split('\n')[2:] == [f'| {cell} |']


def test_printed_names_show_what_cannot_be_printed():
  assert names_lib.on_one_line('a\r\nb\tc') == 'a b c'
  assert names_lib.on_one_line('\0\x1b\udcff') == r'\x00\x1b\udcff'
  assert names_lib.on_one_line('قطة 猫 🙂 e\u0301') == 'قطة 猫 🙂 e\u0301'
  assert names_lib.printable('a\nb\0') == 'a\nb\\x00'


def test_pages_show_names_as_they_are():
  assert page.escape('<b>&"\udcff\0') == r'&lt;b&gt;&amp;&quot;\udcff\x00'


def test_tensorboard_takes_every_name(tmp_path):
  log = metrics_log.TrainingLog(
      tmp_path, num_rounds=1, description='', partition_hash='a',
      class_names=NAMES,
  )
  evaluated = {
      tff.simulation.EVALUATION_METRICS_PREFIX + name: values
      for name, values in MEASURES.items()
  }
  asyncio.run(log.release(evaluated, 1))
  log.close()
  (events,) = (tmp_path / 'tensorboard').iterdir()
  tags = {
      value.tag
      for event in tf.compat.v1.train.summary_iterator(str(events))
      for value in event.summary.value
  }
  assert len([t for t in tags if t.startswith('recall_of_class/')]) == len(NAMES)
  assert {'recall_of_class/猫', r'recall_of_class/\udcff'} <= tags


def test_a_run_needs_a_folder_that_tensorflow_can_write_to(tmp_path):
  with pytest.raises(ValueError, match=r'output_dir=.*udcff.* UTF-8'):
    folder_lib.open_run_folder(f'{tmp_path}/\udcff', {})


@pytest.mark.filterwarnings('error:.*layout not applied')
def test_pictures_are_drawn_with_every_name(tmp_path):
  names = NAMES
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
  pairs = [(np.arange(4), np.arange(4))]
  contact_sheet_plots.plot_rows(
      tmp_path / 'e.png', [pairs, pairs], ['猫' * 300, '$'], ['猫' * 300] * 4
  )
  contact_sheet_plots.plot_texts(
      tmp_path / 'f.png', [pairs, pairs], ['猫' * 300, '$'], names[:4]
  )
  for path in tmp_path.iterdir():
    assert path.read_bytes().startswith(b'\x89PNG')
  assert picture_text.plain('$5') == r'\$5'


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
    with pytest.raises(flags.IllegalFlagValueError, match='there is no path'):
      flags.FLAGS(['program', '--policy_file='])
