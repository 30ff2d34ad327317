"""What the settings of a run that adapts while it trains ask of the others."""

import hashlib
import pathlib
from typing import Any, Optional

# Left out of a run's record where they have their defaults.
NAMES = frozenset({
    'sampling_weights',
    'mediator_policy',
    'policy_file',
    'mediator_credit',
    'credit_exploration',
    'credit_passes',
    'policy_objective',
    'round_budget',
    'mediators_considered',
    'class_feedback',
    'class_priorities',
})
# The policies that learn from credits.
LEARNING = ('credit', 'learned')
_OF_POLICIES = ('policy_objective', 'round_budget', 'mediators_considered')


def adapts(settings: Any) -> bool:
  """Whether anything is decided anew in a round."""
  return (
      settings.mediator_policy != 'fixed'
      or settings.sampling_weights != 'uniform'
      or settings.class_feedback != 'none'
  )


def check(settings: Any) -> None:
  """Raises a ValueError if what adapts does not go with the other settings.

  Args:
    settings: The run's `Settings`.
  """
  policy, feedback = settings.mediator_policy, settings.class_feedback
  if policy == 'fixed':
    for name in _OF_POLICIES:
      if getattr(settings, name) not in (None, 'traffic'):
        raise ValueError(
            f'{name}={getattr(settings, name)} needs a mediator_policy that'
            ' decides the passes, such as credit or learned.'
        )
  else:
    _check_policy(settings)
  if settings.policy_file is not None and policy != 'learned':
    raise ValueError(
        f'policy_file={settings.policy_file} needs mediator_policy=learned,'
        f' got {policy}.'
    )
  for name, value in (
      ('mediator_policy', policy), ('class_feedback', feedback)
  ):
    learns = value in LEARNING or name == 'class_feedback' and (
        value != 'none'
    )
    if learns and not settings.validation_fraction:
      raise ValueError(
          f'{name}={value} needs a validation_fraction above 0: it learns from'
          ' validation examples, which must not be test ones.'
      )
  if feedback in ('copies', 'both') and not settings.fresh_augmentation:
    raise ValueError(
        f'class_feedback={feedback} needs fresh_augmentation: copies that are'
        ' stored cannot change with the round.'
    )
  if settings.class_priorities is not None and feedback == 'none':
    raise ValueError(
        f'class_priorities={settings.class_priorities} needs a class_feedback'
        ' that takes them: sampling, copies or both.'
    )
  if settings.mediator_credit != 'path' and policy not in LEARNING:
    raise ValueError(
        f'mediator_credit={settings.mediator_credit} needs a mediator_policy'
        f' that learns from credits, credit or learned, got {policy}.'
    )
  for name, default in (('credit_exploration', None), ('credit_passes', 1)):
    value = getattr(settings, name)
    if value != default and policy != 'credit':
      raise ValueError(
          f'{name}={value} needs mediator_policy=credit, got {policy}.'
      )
  priorities(settings.class_priorities)


def _check_policy(settings: Any) -> None:
  """Raises a ValueError if a policy cannot decide passes."""
  policy = settings.mediator_policy
  if settings.algorithm != 'astraea':
    raise ValueError(
        f'mediator_policy={policy} needs algorithm=astraea: there are no'
        f" mediators' passes in {settings.algorithm}."
    )
  if settings.schedule != 'static':
    raise ValueError(
        f'mediator_policy={policy} needs schedule=static: mediators that are'
        ' new in every round have no past to learn from.'
    )
  if policy == 'highest_loss' and settings.policy_objective == 'seconds':
    raise ValueError(
        'mediator_policy=highest_loss needs policy_objective=traffic: it ranks'
        ' mediators, and in a budget of seconds there is room for all that are'
        ' quick enough.'
    )
  if settings.mediator_epochs != 1:
    raise ValueError(
        f'mediator_policy={policy} decides the passes itself; leave'
        f' mediator_epochs={settings.mediator_epochs} out.'
    )


def policy_digest(path: str) -> str:
  """Returns the start of a policy file's SHA-256, as hexadecimal digits.

  Raises:
    OSError: The file cannot be read.
  """
  try:
    content = pathlib.Path(path).read_bytes()
  except OSError as error:
    raise type(error)(
        f'policy_file={path} cannot be read ({error}); name a file of'
        ' pretrain_policy.py.'
    ) from error
  return hashlib.sha256(content).hexdigest()[:16]


def priorities(text: Optional[str]) -> dict[int, float]:
  """Returns factors by class, from a text such as 3:2.0,7:4.0.

  Raises:
    ValueError: The text is none such.
  """
  factors = {}
  for part in () if text is None else text.split(','):
    name, _, factor = part.partition(':')
    try:
      label = int(name)
      if label in factors:
        raise ValueError(f'class {label} is given twice')
      factors[label] = float(factor)
    except ValueError as error:
      raise ValueError(
          f'class_priorities={text} must be one factor for each of some'
          f' classes, such as 3:2.0,7:4.0: {error}.'
      ) from error
    if not 0 < factors[label] < float('inf'):
      raise ValueError(
          f'class_priorities={text} must have finite factors above 0, got'
          f' {factor}.'
      )
  return factors
