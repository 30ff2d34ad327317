"""The programs in the README and in docs/ run as they stand."""

import doctest
import pathlib
import re

import pytest

_ROOT = pathlib.Path(__file__).parents[1]
_BLOCK = re.compile(r'```python\n(.*?)```', re.DOTALL)
_EXAMPLE = re.compile(r'```pycon\n(.*?)```', re.DOTALL)
_PAGES = (_ROOT / 'README.md', *sorted((_ROOT / 'docs').glob('*.md')))
_PROGRAMS = [
    pytest.param(page, program, id=f'{page.name}-{number}')
    for page in _PAGES
    for number, program in enumerate(_BLOCK.findall(page.read_text()))
]


def test_there_are_programs_for_every_kind_of_data():
  pages = [param.values[0].name for param in _PROGRAMS]
  assert pages.count('README.md') >= 1
  assert pages.count('your_data.md') == 7


@pytest.mark.usefixtures('execution_context')
@pytest.mark.parametrize('page, program', _PROGRAMS)
def test_program_runs_and_prints_what_it_trained(
    page, program, capsys, monkeypatch
):
  import astraea_tff

  # The tests' worker serves the programs too.
  monkeypatch.setattr(astraea_tff, 'set_local_execution_context', lambda: None)
  exec(compile(program, str(page), 'exec'), {})
  assert 'num_examples' in capsys.readouterr().out


def test_examples_print_what_their_page_says():
  """The examples of a page are one session."""
  found = {page.name: _EXAMPLE.findall(page.read_text()) for page in _PAGES}
  assert len(found['adaptive.md']) == 2
  for name, examples in found.items():
    session = doctest.DocTestParser().get_doctest(
        ''.join(examples), {}, name, name, 0
    )
    assert not doctest.DocTestRunner().run(session).failed, name
