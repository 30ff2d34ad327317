"""Wrong flags and arguments of any script: one line that says what would do."""

import forked_program
import patience
import pytest
import script_runner

_FLAGS_ONLY = "got the argument 'fig7', which belongs to no flag; give --flag="


@pytest.mark.parametrize('script, arguments, said', [
    ('reproduce', [], '--experiment must be given: one of table1, fig1, fig4'),
    ('reproduce', ['--experiment=fig7', 'fig7'], _FLAGS_ONLY),
    ('reproduce', ['--experiment=fig2'], 'value should be one of <table1|fig1'),
    ('results', ['fig7'], _FLAGS_ONLY),
    ('results', ['--machines=mine'], "line flag 'machines'"),
    ('soak', [], '--output_dir must be given: Where table and picture go.'),
    ('compare', ['--output_dir=.'], 'Name the folders of the runs to compare.'),
])
def test_a_wrong_command_line_is_one_line(script, arguments, said):
  ended = forked_program.run(
      patience.SECONDS,
      script=script_runner.SCRIPTS / f'{script}.py',
      arguments=arguments,
  )
  assert ended.returncode == 1
  assert ended.stdout == ''
  (line,) = ended.stderr.splitlines()
  assert line.startswith(f'{script}.py: ') and said in line
