"""Data sets by name, and what a name says about clients.

A name stands for examples and, for the paper's sets, for their division too:
'emnist_ltrf2' is EMNIST on 500 clients with Table I's distributions. What the
caller says always comes before what the name says.

The paper gives the imbalanced CINIC-10 K = 100 and a global distribution that
follows the standard normal (section IV-A). It says nothing of sizes and
clients' mixes. We take even sizes and a random mix for each client, Table I's
"Random".
"""

from collections.abc import Callable, Mapping
import dataclasses
import functools
import importlib
import os
import types
from typing import Any, Optional, Union

import numpy as np

from astraea_tff.datasets import federated_dataset
from astraea_tff.datasets.sources import bundled_tables
from astraea_tff.datasets.sources import digits
from astraea_tff.datasets.sources import emnist
from astraea_tff.datasets.sources import messages
from astraea_tff.datasets.sources import tff_synthetic
from astraea_tff.datasets.sources import tfds_images

_Folder = Optional[Union[str, os.PathLike]]


@dataclasses.dataclass(frozen=True)
class Preset:
  """What a name stands for.

  Attributes:
    load_examples: Loads the pool and the test set, given the folder where TFDS
      keeps its data.
    source_state: Says in which state the files behind them are, given the same
      folder: a text that changes with them, or None if they are not there.
    num_clients: K, or None if the name does not say.
    partition_arguments: Arguments of `partition` that the name says.
  """

  load_examples: Callable[[_Folder], federated_dataset.LabelledExamples]
  source_state: Callable[[_Folder], Optional[str]]
  num_clients: Optional[int] = None
  partition_arguments: Mapping[str, Any] = dataclasses.field(
      default_factory=dict
  )


def _of_tfds(name: str, *division: Any) -> Preset:
  return Preset(
      functools.partial(tfds_images.load_tfds_images, name),
      functools.partial(tfds_images.source_state, name),
      *division,
  )


def _installed(
    load: Callable[..., federated_dataset.LabelledExamples],
    source_state: Callable[..., str],
    *name: str,
    **division: Any,
) -> Preset:
  """A set that comes with an installed package, wherever TFDS has its data."""
  return Preset(
      lambda data_dir: load(*name),
      lambda data_dir: source_state(*name),
      **division,
  )


def _of_cinic10(*division: Any) -> Preset:
  return Preset(
      lambda data_dir: _with_cinic10(tfds_images.load_tfds_images, data_dir),
      lambda data_dir: _with_cinic10(tfds_images.source_state, data_dir),
      *division,
  )


def _with_cinic10(function: Callable[..., Any], data_dir: _Folder) -> Any:
  # TFDS knows the builder once its module is imported.
  importlib.import_module('astraea_tff.data.cinic10.cinic10_dataset_builder')
  return function('cinic10', data_dir)


def _of_table_i(
    name: str,
    fraction: Optional[float] = None,
    test_per_class: Optional[int] = None,
) -> Preset:
  if fraction is None:
    fraction = 1.0
  if test_per_class is None:
    test_per_class = emnist.scale(emnist.TEST_EXAMPLES_PER_CLASS, fraction)
  division = emnist.TABLE_I[name]
  return Preset(
      functools.partial(
          emnist.load_table_i, test_per_class=test_per_class, name=name
      ),
      functools.partial(tfds_images.source_state, 'emnist/bymerge'),
      emnist.scale(emnist.NUM_CLIENTS, fraction),
      types.MappingProxyType({
          **division,
          'num_examples': emnist.scale(division['num_examples'], fraction),
      }),
  )


_IMBALANCED = types.MappingProxyType(dict(
    size_distribution='even',
    global_distribution='standard_normal',
    local_distribution='random',
))

_SYNTHETIC_DIVISION = types.MappingProxyType(dict(
    size_distribution='even', local_distribution='iid',
))

# The built-in names; those of TFDS come on top.
PRESETS: Mapping[str, Preset] = types.MappingProxyType({
    'digits': _installed(digits.load_digits, digits.source_state),
    'mnist': _of_tfds('mnist'),
    'cifar10': _of_tfds('cifar10'),
    'cifar10_imbalanced': _of_tfds('cifar10', 100, _IMBALANCED),
    'cinic10': _of_cinic10(),
    'cinic10_imbalanced': _of_cinic10(100, _IMBALANCED),
    **{name: _of_table_i(name) for name in emnist.TABLE_I},
    **{
        name: _installed(
            bundled_tables.load_table, bundled_tables.source_state, name
        )
        for name in bundled_tables.NAMES
    },
    'messages': _installed(messages.load_messages, messages.source_state),
    **{
        name: _installed(
            tff_synthetic.load_synthetic,
            tff_synthetic.source_state,
            name,
            num_clients=num_clients,
            partition_arguments=_SYNTHETIC_DIVISION,
        )
        for name, num_clients in tff_synthetic.NUM_CLIENTS.items()
    },
})


def find_preset(
    name: str,
    fraction: Optional[float] = None,
    test_per_class: Optional[int] = None,
) -> Preset:
  """What a name stands for; any name that is not built in is TFDS's.

  Args:
    name: A key of `PRESETS`, or the name of an image-classification set of TFDS
      with splits 'train' and 'test', such as 'fashion_mnist', 'cifar100',
      'svhn_cropped' or 'emnist/balanced'.
    fraction: How much of a set of Table I, in (0, 1]: as many times fewer
      clients, training and test examples. None is all of it.
    test_per_class: Test examples of each class of a set of Table I, at least 1;
      None takes the fraction's.

  Returns:
    The preset. Whether TFDS has the data set shows when it is loaded.

  Raises:
    TypeError: The name is no string, or the fraction no number.
    ValueError: The fraction is out of range, or the name no set of Table I.
  """
  if not isinstance(name, str):
    raise TypeError(f'The name of a data set must be a string, got {name!r}.')
  if fraction is not None or test_per_class is not None:
    if name not in emnist.TABLE_I:
      raise ValueError(
          'fraction and test_per_class are for the sets of Table I '
          f'({", ".join(emnist.TABLE_I)}), got the data set {name!r}; '
          'num_examples and num_clients are for all.'
      )
    return _of_table_i(name, fraction, test_per_class)
  if name in PRESETS:
    return PRESETS[name]
  if name == 'tff_shakespeare':
    return _installed(
        tff_synthetic.refuse_shakespeare, tff_synthetic.refuse_shakespeare
    )
  # EMNIST's images lie on their side in all its configurations.
  is_emnist = name.split('/')[0].split(':')[0] == 'emnist'
  load = emnist.load_emnist if is_emnist else tfds_images.load_tfds_images

  def explained(function: Callable[..., Any]) -> Callable[[_Folder], Any]:

    def call(data_dir: _Folder) -> Any:
      try:
        return function(name, data_dir)
      except tfds_images.UnknownDatasetError as error:
        raise ValueError(
            f'Data set {name!r} is unknown; known are {", ".join(PRESETS)}, and'
            ' image-classification sets by the name that TFDS has for them. '
            f'{error}'
        ) from error

    return call

  return Preset(explained(load), explained(tfds_images.source_state))


def advise_fraction(name: str, largest: Optional[int]) -> str:
  """Says which fraction of a set of Table I a pool suffices for.

  Args:
    name: See `find_preset`.
    largest: The most examples that the pool has in the set's proportions; None
      if that is not known.

  Returns:
    A sentence after a space; nothing for another set.
  """
  if largest is None or name not in emnist.TABLE_I:
    return ''
  fraction = emnist.largest_fraction(name, largest)
  return f' A fraction of {fraction:g} of {name} fits.'


def check_fraction(
    name: str,
    fraction: Optional[float],
    division: Mapping[str, Any],
    labels: np.ndarray,
) -> None:
  """Checks that a fraction of a set of Table I leaves no class out.

  Args:
    name: See `find_preset`.
    fraction: See `find_preset`.
    division: What `partition_arguments` returned. Where the caller says how
      many examples of which classes, nothing is checked.
    labels: `int32 [m]`, the labels of the pool.

  Raises:
    ValueError: A class has no image; the message says which fraction would do.
    PoolTooSmallError: The pool has too few of a class.
  """
  if fraction is None:
    return
  said = find_preset(name, fraction).partition_arguments
  keys = ('num_examples', 'global_distribution')
  if all(
      isinstance(division.get(key), type(said[key]))
      and division[key] == said[key]
      for key in keys
  ):
    emnist.check_every_class(name, fraction, labels)


def partition_arguments(
    name: str, given: Mapping[str, Any], fraction: Optional[float] = None
) -> dict[str, Any]:
  """Arguments of `partition`: the caller's, and the name's for the rest.

  Args:
    name: See `find_preset`.
    given: What the caller says; None leaves it to the name. Sizes or class
      counts themselves, in place of a distribution's name, say the number of
      examples too, and the name's does not count then.
    fraction: See `find_preset`.

  Returns:
    The arguments, none of them None.
  """
  given = {key: value for key, value in given.items() if value is not None}
  arguments = dict(find_preset(name, fraction).partition_arguments)
  if any(
      not isinstance(given.get(axis, ''), str)
      for axis in ('size_distribution', 'global_distribution')
  ):
    arguments.pop('num_examples', None)
  return arguments | given
