"""All that a transform depends on tells it from others."""

import collections
import dataclasses
import enum
import functools
import importlib
import pathlib
import sys
from typing import NamedTuple

import forked_program
import numpy as np
import patience
import pytest
import tensorflow as tf

from astraea_tff.augmentation.transforms import affine
from astraea_tff.augmentation.transforms import tabular
from astraea_tff.augmentation.transforms import text
from astraea_tff.datasets.storage import transform_key

_FACTORS = {}


def _outer(images):
  return images * _FACTORS['factor']


def _keys(make):
  """The keys of what `make` makes of 1, of 2 and of 1 again."""
  keys = []
  for value in (1, 2, 1):
    _FACTORS.clear()
    keys.append(transform_key.describe_transform(make(value)))
  return keys


def _of_a_closure(value):

  @dataclasses.dataclass(frozen=True)
  class Transform:

    def __call__(self, images, seed):
      return images + value

  return Transform()


def _of_a_default(value):

  @dataclasses.dataclass(frozen=True)
  class Transform:

    def __call__(self, images, seed, amount=value, *, other=0):
      return images + amount + other

  return Transform()


def _of_a_keyword_default(value):

  @dataclasses.dataclass(frozen=True)
  class Transform:

    def __call__(self, images, seed, *, amount=value):
      return images + amount

  return Transform()


def _of_a_class_attribute(value):

  @dataclasses.dataclass
  class Base:
    pass

  @dataclasses.dataclass
  class Transform(Base):

    def __call__(self, images, seed):
      return images + self.AMOUNT

  Base.AMOUNT = value
  return Transform()


def _of_what_is_no_field(value):

  @dataclasses.dataclass
  class Transform:
    names: list = dataclasses.field(default_factory=list)

    def __call__(self, images, seed):
      return images + self.amount

  transform = Transform()
  transform.amount = value
  return transform


def _of_a_function_around(value):

  def inner(images):
    return images + value

  return _of_a_closure(functools.partial(inner, value))


def _of_a_global(value):
  _FACTORS['factor'] = value

  @dataclasses.dataclass(frozen=True)
  class Transform:

    @functools.cached_property
    def function(self):
      return _outer

    def __call__(self, images, seed):
      return self.function(images)

  return Transform()


def _calling(function):
  """A transform that calls what it has from around it."""

  @dataclasses.dataclass(frozen=True)
  class Transform:

    def __call__(self, images, seed):
      return function(images)

  return Transform()


def _scaled_by(factor):
  """A decorator that hides behind what it decorates."""

  def decorate(function):

    @functools.wraps(function)
    def scaled(*arguments):
      return function(*arguments) * factor

    return scaled

  return decorate


def _of_a_decorator(value):

  @dataclasses.dataclass(frozen=True)
  class Transform:

    @_scaled_by(value)
    def __call__(self, images, seed):
      return images

  return Transform()


def _of_a_decorated_helper(value):
  return _calling(tf.function(_scaled_by(value)(lambda images: images)))


def _of_a_decorator_of_a_library(value):
  return _calling(functools.lru_cache(lambda images: images * value))


@dataclasses.dataclass(frozen=True)
class _Scale:
  factor: float

  def times(self, images):
    return images * self.factor


def _of_a_bound_method(value):
  return _calling(_Scale(value).times)


def _of_a_bound_method_in_a_partial(value):
  return _calling(functools.partial(_Scale(value).times))


def _of_a_bound_builtin(value):
  return _calling({'factor': value}.get)


def _of_an_array_s_method(value):
  return _calling(np.array([value]).item)


def _of_a_partial_method(value):

  @dataclasses.dataclass(frozen=True)
  class Transform:

    def scale(self, factor, images, seed):
      return images * factor

    __call__ = functools.partialmethod(scale, value)

  return Transform()


def _of_an_attribute_of_a_function(value):
  def scale(images):
    return images * scale.factor

  scale.factor = value
  return _calling(scale)


def _of_a_class_body(value):
  _FACTORS['factor'] = value

  @dataclasses.dataclass(frozen=True)
  class Transform:

    def __call__(self, images, seed):
      class Inner:
        factor = _FACTORS['factor']

      return images * Inner.factor

  return Transform()


def _of_a_metaclass(value):

  class Meta(type):

    def factor(cls):
      return value

  @dataclasses.dataclass(frozen=True)
  class Transform(metaclass=Meta):

    def __call__(self, images, seed):
      return images * type(self).factor()

  return Transform()


def _of_an_enumeration(value):

  class Way(enum.Enum):
    UP = 1

    def factor(self):
      return value

  return _calling(functools.partial(max, Way.UP))


def _of_an_enumeration_of_classes(value):

  class Way(enum.Enum):
    TYPE = np.float32 if value == 1 else np.float64

  return _calling(functools.partial(max, Way.TYPE))


def _of_a_factory(value):
  return _calling(collections.defaultdict(lambda: value).get)


def _of_a_named_tuple(value):

  class Way(NamedTuple):
    factor: float

  return _calling(functools.partial(max, Way(value)))


@pytest.mark.parametrize('make', [
    _of_a_decorator, _of_a_decorated_helper, _of_a_decorator_of_a_library,
    _of_a_bound_method, _of_a_bound_method_in_a_partial, _of_a_bound_builtin,
    _of_an_array_s_method, _of_a_partial_method, _of_an_attribute_of_a_function,
    _of_a_class_body, _of_a_metaclass, _of_an_enumeration, _of_a_named_tuple,
    _of_an_enumeration_of_classes, _of_a_factory,
    _of_a_closure, _of_a_default, _of_a_keyword_default, _of_a_class_attribute,
    _of_what_is_no_field, _of_a_function_around, _of_a_global,
])
def test_what_a_transform_depends_on_is_in_its_key(make):
  first, other, again = _keys(make)
  assert first == again
  assert first != other


def test_the_text_of_a_users_module_is_in_the_key(tmp_path, monkeypatch):
  monkeypatch.syspath_prepend(tmp_path)
  keys = []
  for amount in (1, 2):
    (tmp_path / 'my_helpers.py').write_text(f'def shift(x): return x + {amount}')
    sys.modules.pop('my_helpers', None)
    import my_helpers

    keys.append(transform_key.describe_transform(_of_a_closure(my_helpers)))
    keys.append(
        transform_key.describe_transform(_of_a_closure(my_helpers.shift))
    )
  assert len(set(keys)) == 4


@pytest.mark.parametrize(
    'helpers, transform',
    [
        ('import my_amount\ndef shift(x): return x + my_amount.AMOUNT',
         'return my_helpers.shift(images)'),
        ('from my_amount import AMOUNT\ndef shift(x): return x + AMOUNT',
         'return my_helpers.shift(images)'),
        ('', 'import my_amount; return images + my_amount.AMOUNT'),
        ('', 'from my_amount import AMOUNT; return images + AMOUNT'),
        ('def shift(x):\n  from my_package.part import AMOUNT\n  return x + AMOUNT',
         'return my_helpers.shift(images)'),
        ('', 'from my_package import part; return images + part.AMOUNT'),
    ],
)
def test_what_modules_import_in_turn_is_in_the_key(
    tmp_path, monkeypatch, helpers, transform
):
  monkeypatch.syspath_prepend(tmp_path)
  (tmp_path / 'my_helpers.py').write_text(helpers)
  (tmp_path / 'my_transform.py').write_text(
      'import dataclasses\nimport my_helpers\n\n'
      '@dataclasses.dataclass(frozen=True)\nclass Transform:\n\n'
      f'  def __call__(self, images, seed):\n    {transform}\n'
  )
  package = tmp_path / 'my_package'
  package.mkdir()
  (package / '__init__.py').write_text('')
  # Relative, and two of them import each other.
  (package / 'part.py').write_text('from .amounts import AMOUNT')
  mine = ('my_amount', 'my_helpers', 'my_transform', 'my_package')
  keys = []
  for amount in (1, 20, 1):
    (tmp_path / 'my_amount.py').write_text(f'AMOUNT = {amount}')
    (package / 'amounts.py').write_text(f'AMOUNT = {amount}\nfrom . import part')
    for name in [n for n in sys.modules if n.partition('.')[0] in mine]:
      del sys.modules[name]
    importlib.invalidate_caches()
    module = importlib.import_module('my_transform')
    keys.append(transform_key.describe_transform(module.Transform()))
  assert keys[0] == keys[2] != keys[1]


class _Half(float):

  def __mul__(self, other):
    return other / 2


@pytest.mark.parametrize(
    'value',
    [
        object(),
        _Half(2),
        collections.ChainMap({}),
        functools.singledispatch(lambda image: image),
        np.ma.masked_array([1, 2], [False, True]),
        np.frompyfunc(lambda image: image, 1, 1),
        object().__str__,
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_transform_that_uses_what_cannot_be_known_is_refused(value):
  with pytest.raises(TypeError, match='What `transform` depends on must be'):
    transform_key.describe_transform(_of_a_closure(value))


def test_a_transform_that_hides_what_it_reads_is_refused():

  def hidden(images):
    return images * globals()['_FACTORS']

  with pytest.raises(TypeError, match='be named in its .*hidden calls globals'):
    transform_key.describe_transform(_calling(hidden))


@pytest.mark.parametrize(
    'value',
    [np.float32(0.5), np.add, np.arange(3), pathlib.Path('a'), abs, tf.nn.relu,
     tf.constant([1.0]), np.add.reduce, collections.OrderedDict(a=1), np.random.default_rng],
    ids=lambda value: getattr(value, '__name__', type(value).__name__),
)
def test_what_libraries_have_is_taken(value):
  keys = {
      transform_key.describe_transform(_of_a_closure(value)) for _ in range(2)
  }
  assert len(keys) == 1


# Of another module than what uses it.
_MAKERS = """
import functools

def make(factor):
  def scale(x): return x * factor
  return scale

def decorate(f):
  @functools.wraps(f)
  def same(x): return f(x)
  return same
"""


def test_what_a_function_of_another_module_has_is_in_the_key(
    tmp_path, monkeypatch
):
  monkeypatch.syspath_prepend(tmp_path)
  (tmp_path / 'my_makers.py').write_text(_MAKERS)
  sys.modules.pop('my_makers', None)
  import my_makers

  def of_a_global(value):
    _FACTORS['factor'] = value
    return _calling(my_makers.decorate(_outer))

  for make in (
      lambda value: _calling(my_makers.make(value)),
      lambda value: _calling(my_makers.make(_calling(lambda x: x + value))),
      of_a_global,
  ):
    keys = _keys(make)
    assert keys[0] == keys[2] != keys[1]


_MAIN = """
import dataclasses, sys
import my_makers
from astraea_tff.datasets.storage import transform_key

BODIES = [lambda x: x + 1, lambda x: x + 2]

def make(body):
  @dataclasses.dataclass
  class Transform:
    def __call__(self, images, seed):
      return decorated(images)
  decorated = my_makers.decorate(body)
  return Transform()

print(len({transform_key.describe_transform(make(body)) for body in BODIES}))
"""


def test_what_a_program_decorates_by_another_module_is_in_the_key(
    tmp_path, monkeypatch
):
  (tmp_path / 'my_makers.py').write_text(_MAKERS)
  monkeypatch.setenv('PYTHONPATH', str(tmp_path))
  done = forked_program.run(
      patience.SECONDS, code=f'import sys\nsys.path.insert(0, {str(tmp_path)!r})'
      + _MAIN,
  )
  assert (done.stdout, done.returncode) == ('2\n', 0), done.stderr


def test_our_transforms_have_keys_that_stay():
  for make in (
      affine.AffineTransform, tabular.TabularTransform, text.TextTransform
  ):
    assert len({
        transform_key.describe_transform(make()) for _ in range(2)
    }) == 1
