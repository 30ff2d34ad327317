"""The commands in the documents have the flags that their scripts have."""

import ast
import collections
import pathlib
import re
import shlex

from absl import flags
from absl.testing import flagsaver
import pytest
import script_runner

_ROOT = pathlib.Path(__file__).parents[2]
_PAGES = [
    _ROOT / 'README.md',
    *sorted((_ROOT / 'docs').glob('*.md')),
    *sorted((_ROOT / 'scripts').glob('*.py')),
    *sorted((_ROOT / 'data').glob('*.md')),
]
# To the end of a line that does not go on.
_COMMAND = re.compile(r'python scripts/(\w+)\.py((?:[^\n\\]|\\\n)*)')
# What stands for something else: <method>, [--more], $variable, ...
_OPEN = re.compile(r'<[^>]*>|\[[^\]]*\]|\S*\$\S+|(?<!=)\.\.\.')


def _commands():
  """Returns, by script, the arguments of each command and its page."""
  commands = collections.defaultdict(list)
  for page in _PAGES:
    text = page.read_text()
    if page.suffix == '.py':
      text = ast.get_docstring(ast.parse(text)) or ''
    text = text.replace('$f/', '--flagfile=scripts/flags/')
    # One in a sentence ends with its mark, a commented one with the comment.
    for script, rest in _COMMAND.findall(text):
      words = _OPEN.sub(' ', rest.replace('\\\n', ' '))
      arguments = shlex.split(re.split('[`#|>]', words)[0])
      if arguments:
        commands[script].append((page.name, arguments))
  return commands


_COMMANDS = _commands()


def test_all_scripts_with_flags_are_documented():
  assert set(_COMMANDS) >= {
      'benchmark', 'compare', 'describe', 'pretrain_policy', 'reproduce', 'soak',
      'study_hostile_clients', 'study_kinds', 'study_privacy', 'train',
  }
  assert len(_COMMANDS['train']) > 10


@pytest.mark.parametrize('script', sorted(set(_COMMANDS) - {'worker'}))
def test_documented_flags_are_the_scripts(script, monkeypatch):
  monkeypatch.chdir(_ROOT)
  with script_runner.loaded(script) as module:
    for page, arguments in _COMMANDS[script]:
      with flagsaver.flagsaver():
        flags.FLAGS.unparse_flags()
        try:
          flags.FLAGS([module.__file__, *arguments])
        except flags.Error as error:
          # A command of which a part stands for something may lack what it
          # stands for.
          if 'must have a value other than None' not in str(error):
            pytest.fail(f'{page}: {shlex.join(arguments)}: {error}')
