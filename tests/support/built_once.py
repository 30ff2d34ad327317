"""What takes seconds to build, built once for all tests of a process."""

import functools
import inspect


def built_once(build):
  """Returns a function that builds, and returns the same for the same.

  An argument that is given as its default counts as one that is not given.
  """
  signature = inspect.signature(build)

  @functools.cache
  def build_once(typed_arguments):
    bound = signature.bind_partial()
    bound.arguments.update((name, value) for name, _, value in typed_arguments)
    return build(*bound.args, **bound.kwargs)

  @functools.wraps(build)
  def build_or_return(*args, **kwargs):
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    # With their types: True is no 1 where an argument is checked.
    named = bound.arguments.items()
    return build_once(tuple((name, type(v), v) for name, v in named))

  return build_or_return
