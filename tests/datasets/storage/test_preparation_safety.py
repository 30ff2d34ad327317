"""The cache deletes nothing but what it made and found damaged."""

import errno
import os
import pathlib
import shutil

import numpy as np
import pytest

from astraea_tff import datasets
from astraea_tff.augmentation import plan as plan_lib
from astraea_tff.datasets.sources import loading
from astraea_tff.datasets.storage import cache_entries
from astraea_tff.datasets.storage import client_store


def _prepare(cache_dir, seed=0):
  return datasets.prepare(
      'digits', num_clients=3, seed=seed, num_examples=60, cache_dir=cache_dir
  )


def _tree(folder):
  return {
      path: path.read_bytes() if path.is_file() else None
      for path in folder.rglob('*')
  }


@pytest.fixture(name='prepared', scope='module')
def fixture_prepared(tmp_path_factory):
  """A cache that holds what the tests prepare."""
  cache = tmp_path_factory.mktemp('prepared') / 'cache'
  for seed in range(2):
    data = _prepare(cache, seed=seed)
    plan = plan_lib.augmentation_plan(data.label_counts, 0.67)
    datasets.prepare_augmented(data, plan, seed=1)
  return cache


@pytest.fixture(name='cache')
def fixture_cache(prepared, tmp_path):
  return shutil.copytree(prepared, tmp_path / 'cache')


@pytest.mark.parametrize('text', [
    '', '.', '..', '../..', '/', 'clients', '\n', '../digits', 'x' * 5000,
    'augmented', 'other', 'outside', 'outside/', 'link', 'name\n', '\x00', 'é',
])
def test_a_request_names_a_folder_of_the_cache_or_nothing(cache, text):
  victim = cache.parent / 'somebody' / 'thesis'
  victim.mkdir(parents=True)
  (victim / 'chapter1.tex').write_text('years of work')
  first, other = _prepare(cache), _prepare(cache, seed=1)
  plan = plan_lib.augmentation_plan(other.label_counts, 0.67)
  augmented = datasets.prepare_augmented(other, plan, seed=1)
  link = cache / 'digits' / ('0' * 16)
  link.symlink_to(victim)
  text = {
      'augmented': augmented.folder.name,
      'other': f'../digits/{other.clients.folder.name}',
      'outside': str(victim),
      'outside/': os.path.relpath(victim, cache / 'digits'),
      'link': link.name,
      'name\n': first.clients.folder.name + '\n',
  }.get(text, text)
  (request,) = (
      path for path in (cache / 'digits').glob('*.request')
      if path.read_text() == first.clients.folder.name
  )
  before = _tree(cache.parent)
  request.write_text(text)
  try:
    again = _prepare(cache)
  except OSError as error:
    # A link is neither followed nor deleted.
    assert text == link.name and 'Nothing was deleted' in str(error)
  else:
    assert again.content_hash == first.content_hash
    assert _tree(cache.parent) == before


def test_a_request_that_is_a_link_leaves_the_file_it_leads_to(cache):
  prepared = _prepare(cache)
  (request,) = (
      path for path in (cache / 'digits').glob('*.request')
      if path.read_text() == prepared.clients.folder.name
  )
  thesis = cache.parent / 'thesis'
  thesis.write_text('years of work')
  request.unlink()
  request.symlink_to(thesis)
  assert _prepare(cache).content_hash == prepared.content_hash
  assert thesis.read_text() == 'years of work'
  assert request.read_text() == prepared.clients.folder.name
  assert not request.is_symlink()


def test_only_a_folder_of_the_cache_can_be_deleted(tmp_path):
  for name in ('thesis', '..', '0' * 15, '0' * 16 + '-augmented', '0' * 17):
    (tmp_path / name).mkdir(exist_ok=True)
    with pytest.raises(ValueError, match='must be one of the cache'):
      cache_entries.open_or_delete(tmp_path / name, client_store.open_store)
    assert (tmp_path / name).is_dir()


@pytest.mark.parametrize('is_link', [True, False])
def test_what_is_no_folder_is_named_before_anything_is_prepared(
    cache, monkeypatch, is_link
):
  folder = _prepare(cache).clients.folder
  folder.rename(cache / 'moved')
  if is_link:
    folder.symlink_to(cache / 'nowhere')
  else:
    folder.write_text('of somebody')
  before = _tree(cache)
  monkeypatch.setattr(loading, 'load', None)  # Not called.
  with pytest.raises(OSError, match=f'{folder} is no folder .*; remove it'):
    _prepare(cache)
  assert _tree(cache) == before


@pytest.mark.parametrize('number', [
    errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE,
    errno.EACCES, errno.EINTR,
])
@pytest.mark.parametrize('module, name', [
    (os, 'stat'), (pathlib.Path, 'read_bytes'), (np, 'load')
])
def test_a_passing_error_deletes_nothing(
    cache, monkeypatch, module, name, number
):
  first = _prepare(cache)
  plan = plan_lib.augmentation_plan(first.label_counts, 0.67)
  augmented = datasets.prepare_augmented(first, plan, seed=1)
  before, function = _tree(cache), getattr(module, name)

  def fail(path, *args, **kwargs):
    if name == 'load' or str(path).endswith('/clients/1'):
      raise OSError(number, os.strerror(number), str(path))
    return function(path, *args, **kwargs)

  with monkeypatch.context() as patched:
    patched.setattr(module, name, fail)
    with pytest.raises(OSError, match='Nothing was deleted.*cache_dir'):
      _prepare(cache)
    with pytest.raises(OSError, match='Nothing was deleted.*cache_dir'):
      datasets.prepare_augmented(first, plan, seed=1)
  assert _tree(cache) == before
  assert _prepare(cache).content_hash == first.content_hash
  again = datasets.prepare_augmented(first, plan, seed=1)
  assert again.folder == augmented.folder


def test_a_lack_of_memory_is_no_damage(cache, monkeypatch):
  first = _prepare(cache)
  before = _tree(cache)

  def fail(*args, **kwargs):
    raise MemoryError('no memory')

  with monkeypatch.context() as patched:
    patched.setattr(np, 'load', fail)
    with pytest.raises(MemoryError):
      _prepare(cache)
  assert _tree(cache) == before
  assert _prepare(cache).content_hash == first.content_hash


def test_what_somebody_mended_meanwhile_is_not_deleted(cache):
  folder = _prepare(cache).clients.folder
  calls = []

  def open_mended(path):
    calls.append(path)
    if len(calls) == 1:
      raise client_store.DamagedStoreError('half-written')
    return client_store.open_store(path)

  store = cache_entries.open_or_delete(folder, open_mended)
  assert len(store) == 3 and folder.is_dir()
