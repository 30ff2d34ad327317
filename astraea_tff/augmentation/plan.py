"""The server's plan of the augmentation: Algorithm 2, lines 2 to 5.

From the label counts over all clients the server decides which classes are
augmented and how often, by one of the rules of
`astraea_tff.augmentation.plan_rules`. The number of copies is capped: the
paper's alpha = 2 "fails the training due to timeout".

What the clients do with the plan is in `astraea_tff.augmentation.one_client`.
"""

from collections.abc import Mapping
import dataclasses
import json
from typing import Any, Optional

from absl import logging
import numpy as np

from astraea_tff import arguments
from astraea_tff.augmentation import plan_rules
from astraea_tff.labels import counts as counts_lib


@dataclasses.dataclass(frozen=True, eq=False)
class AugmentationPlan(arguments.CopiedByConstructor):
  """How many copies of a sample of each class there shall be.

  Attributes:
    alpha: The augmentation factor it was made with.
    copies: float64 `[N]`, read-only; copies of a sample, itself included, >= 1.
    counts: int64 `[N]`, read-only; examples of each class before augmentation.
    augmented_classes: The paper's set `Y_aug`: the classes that have examples,
      but fewer than the mean.
    capped_classes: Those of them that would have had more copies but for the
      cap.
    kept: float64 `[N]`, read-only; the probability with which a sample is kept,
      in (0, 1]; None, the default, for 1. Below 1 the class has one copy.

  Raises:
    TypeError: `counts` does not hold integers, `alpha` is no number, or a class
      no int.
    ValueError: `counts` is not `[N]`, `copies` is not a finite number of at
      least 1 for each class, `kept` not a share that goes with it, or another
      value out of its range.
  """

  alpha: float
  copies: np.ndarray
  counts: np.ndarray
  augmented_classes: tuple[int, ...]
  capped_classes: tuple[int, ...]
  kept: Optional[np.ndarray] = None

  def __post_init__(self):
    counts = counts_lib.check_counts([self.counts])[0]
    copies = np.array(self.copies, np.float64)
    if copies.shape != counts.shape or not (
        np.isfinite(copies).all() and (copies >= 1).all()
    ):
      raise ValueError(
          '`copies` must be a finite number of at least 1 for each of the '
          f'{len(counts)} classes of `counts`, got '
          f'{arguments.shorten(repr(self.copies))}.'
      )
    kept = np.ones_like(copies)
    if self.kept is not None:
      kept = np.array(self.kept, np.float64)
    if kept.shape != counts.shape or not (
        ((0 < kept) & (kept <= 1)).all() and (copies[kept < 1] == 1).all()
    ):
      raise ValueError(
          '`kept` must be a share in (0, 1] for each class, and 1 for those of'
          f' more than one copy, got {arguments.shorten(repr(self.kept))}.'
      )
    for name, array in (('counts', counts), ('copies', copies), ('kept', kept)):
      array.setflags(write=False)
      object.__setattr__(self, name, array)
    arguments.check_number(self.alpha, '`alpha`', 0)
    for name in ('augmented_classes', 'capped_classes'):
      called, last = f'a class of `{name}`', len(counts) - 1
      classes = [
          arguments.check_integer(label, called, 0, last)
          for label in getattr(self, name)
      ]
      object.__setattr__(self, name, tuple(classes))

  @property
  def multiples(self) -> np.ndarray:
    """float64 `[N]`: how many examples are expected in a sample's place."""
    return self.copies * self.kept

  @property
  def expected_counts(self) -> np.ndarray:
    """float64 `[N]`: the expected examples of each class after augmentation."""
    return self.counts * self.multiples

  @property
  def expected_extra_examples(self) -> float:
    """The expected number of examples that augmentation adds, less the dropped.

    Below 0 where more are dropped than added.
    """
    return float((self.counts * (self.multiples - 1)).sum())

  @property
  def storage_overhead(self) -> float:
    """`expected_extra_examples` as a fraction of the examples there were.

    The storage overhead of the paper's section IV-C (0.255 is its "25.5 %
    additional storage space"); 0 without examples.
    """
    return self.expected_extra_examples / max(int(self.counts.sum()), 1)

  def with_minimum(
      self, copies_by_class: Mapping[int, float]
  ) -> 'AugmentationPlan':
    """Returns the plan with floors from those who know the classes.

    Args:
      copies_by_class: For some classes the least number of copies of a sample,
        itself included; finite, at least 1. The cap of the plan does not hold
        for them.

    Returns:
      A plan of which such a class has that many copies, or more where this plan
      has, and keeps all its samples. A class that has examples and now more
      than one copy is among its `augmented_classes`; one that the floor lifts
      above the cap is no longer among its `capped_classes`.

    Raises:
      TypeError: A class is no int, or a number of copies no number.
      ValueError: A class is not the plan's, or a number is out of its range.
    """
    if not isinstance(copies_by_class, Mapping):
      raise TypeError(
          '`copies_by_class` must map classes to copies, such as {3: 2.0}, got'
          f' {arguments.shorten(repr(copies_by_class))}.'
      )
    copies, kept = self.copies.copy(), self.kept.copy()
    augmented, capped = set(self.augmented_classes), set(self.capped_classes)
    for label, least in copies_by_class.items():
      label = arguments.check_integer(
          label, 'a class of `copies_by_class`', 0, len(copies) - 1
      )
      least = arguments.check_number(
          least, f'`copies_by_class`[{label}]', 1, ends='[)'
      )
      if least > copies[label]:
        # A class that is capped has as many copies as the cap allows.
        capped.discard(label)
      copies[label], kept[label] = max(copies[label], least), 1.0
      if self.counts[label] and copies[label] > 1:
        augmented.add(label)
    return dataclasses.replace(
        self,
        copies=copies,
        kept=kept,
        augmented_classes=tuple(sorted(augmented)),
        capped_classes=tuple(sorted(capped)),
    )

  def extra_bytes(self, bytes_per_example: float) -> float:
    """The expected bytes that storing the added examples takes.

    Args:
      bytes_per_example: Bytes of one example as stored, image and label.

    Returns:
      Bytes over all clients.

    Raises:
      TypeError: `bytes_per_example` is not a number.
      ValueError: `bytes_per_example` is negative or NaN.
    """
    arguments.check_number(bytes_per_example, '`bytes_per_example`', 0)
    return self.expected_extra_examples * bytes_per_example

  def to_json(self) -> str:
    """Returns the plan as JSON, from which `from_json` makes it again."""
    fields = dataclasses.asdict(self)
    fields.update(copies=self.copies.tolist(), counts=self.counts.tolist())
    kept = fields.pop('kept')
    if (kept < 1).any():
      fields['kept'] = kept.tolist()
    return json.dumps(fields)

  @classmethod
  def from_json(cls, text: str) -> 'AugmentationPlan':
    """Returns the plan of which `to_json` made `text`.

    Args:
      text: A plan in JSON.

    Returns:
      The plan.

    Raises:
      ValueError: `text` is not such a plan.
    """
    try:
      return cls(**json.loads(text))
    except (TypeError, ValueError) as error:
      raise ValueError(
          '`text` must be an augmentation plan as written by `to_json`, got '
          f'{text!r:.80}: {error}'
      ) from error


def augmentation_plan(
    counts: Any,
    alpha: float,
    *,
    rule: str = 'total',
    max_copies: float = 100.0,
    threshold: float = 3.0,
) -> AugmentationPlan:
  """Makes the server's plan: Algorithm 2, lines 2 to 5, and its copy numbers.

  With `C_y` the examples of class y over all clients and `C_bar` their mean
  over the N classes, absent ones included, a class with `0 < C_y < C_bar` gets
  `(C_bar / C_y) ** alpha` copies of each sample, others keep theirs.

  Under 'z_score', the rule of the journal's version, there is no alpha. With s
  the standard deviation of the `C_y`, `z = (C_y - C_bar) / s` and the threshold
  T, a class with `z < -1/T` gets `(C_bar - s sqrt(-z/T)) / C_y` copies, and one
  with `z > T` keeps a sample with the probability `(C_bar + s sqrt(z T)) / C_y`.
  No z of N classes is above `(N - 1) / sqrt(N)`: 2.8 of ten.

  Args:
    counts: Integers `[N]`, examples of each class over all clients, or `[K, N]`
      of each client, which are added up.
    alpha: The augmentation factor, in [0, 2]. 0 adds nothing (under 'total'); 1
      brings every augmented class to the mean; above 1 they overshoot it, which
      the paper advises against and which is warned of. Not used by 'z_score'.
    rule: Whether the number of copies is the 'total', the sample included, or
      counts only the 'extra' ones on top of it, for the same classes; or
      'z_score'.
    max_copies: The largest total number of copies, at least 1; `math.inf` for
      no cap. A warning names the classes it holds back.
    threshold: T of 'z_score', at least 1.

  Returns:
    The plan.

  Raises:
    TypeError: `counts` does not hold integers, or a number is none.
    ValueError: `counts` has a wrong shape or a negative entry, or `alpha`,
      `rule`, `max_copies` or `threshold` is not as above.
  """
  counts = _check_global_counts(counts)
  alpha = arguments.check_number(alpha, '`alpha`', 0, 2)
  max_copies = arguments.check_number(max_copies, '`max_copies`', 1)
  threshold = arguments.check_number(threshold, '`threshold`', 1, ends='[)')
  arguments.check_choice(rule, '`rule`', plan_rules.RULES)
  wanted, kept, augmented = plan_rules.apply(rule, counts, alpha, threshold)
  capped = wanted > max_copies
  if alpha > 1 and rule != 'z_score':
    logging.warning(
        'alpha = %g is above 1: minority classes overshoot the mean, a new '
        'imbalance. The paper recommends 0 to 1.',
        alpha,
    )
  if capped.any():
    classes = ', '.join(
        f'class {label} (of {wanted[label]:.1f})'
        for label in np.flatnonzero(capped)
    )
    logging.warning(
        'max_copies = %g limits the copies of a sample of %s at %s.',
        max_copies,
        classes,
        f'T = {threshold:g}' if rule == 'z_score' else f'alpha = {alpha:g}',
    )
  return AugmentationPlan(
      alpha=alpha,
      copies=np.minimum(wanted, max_copies),
      counts=counts,
      augmented_classes=tuple(np.flatnonzero(augmented).tolist()),
      capped_classes=tuple(np.flatnonzero(capped).tolist()),
      kept=kept,
  )


def _check_global_counts(counts: Any) -> np.ndarray:
  """Returns `[N]` or `[K, N]` counts as int64 `[N]`, over all clients."""
  try:
    rank = np.ndim(counts)
  except ValueError:  # Rows of several lengths, which `check_counts` refuses.
    rank = 2
  return counts_lib.check_counts(
      [counts] if rank == 1 else counts
  ).sum(axis=0)
