"""Image-classification sets of TensorFlow Datasets, by their TFDS name.

TFDS is imported by those functions that use it. Few programs load its data, and
the import would take time in every program that imports `astraea_tff.datasets`.
"""

import os
import pathlib
import socket
from typing import Any, Optional, Union
import urllib.request

from absl import logging
import numpy as np
import tqdm

from astraea_tff import arguments
from astraea_tff.datasets import federated_dataset

_DOWNLOAD_HOST = ('storage.googleapis.com', 443)
_EXAMPLES_PER_READ = 1024
_INFO_FILE = 'dataset_info.json'
# A `tfds.core.DatasetBuilder`.
_Builder = Any


class UnknownDatasetError(ValueError):
  """TensorFlow Datasets has no data set of the name."""


def load_tfds_images(
    name: str, data_dir: Optional[Union[str, os.PathLike]] = None
) -> federated_dataset.LabelledExamples:
  """Loads a data set with splits 'train' and 'test' into memory.

  The split 'train' is the pool and 'test' the test set. If `data_dir` does not
  hold the data set prepared, it is downloaded and prepared there.

  Args:
    name: As TFDS has it, for instance 'mnist'. Its images have one shape.
    data_dir: Where TFDS keeps its data; by default TFDS's own choice, the
      environment variable TFDS_DATA_DIR or ~/tensorflow_datasets.

  Returns:
    The images, in the order of the files.

  Raises:
    UnknownDatasetError: TFDS has no such data set, configuration or version.
    ValueError: It is not one of labelled images of one shape with both splits.
    RuntimeError: The data are not there and cannot be had, are damaged, or are
      older than the archive that the user put there for them; the message says
      what to do.
  """
  builder = _find_builder(name, data_dir)
  _check_features(name, builder)
  _check_archives(name, builder)
  _prepare(name, builder)
  try:
    images, labels = _read(builder, 'train')
    test_features, test_labels = _read(builder, 'test')
  except Exception as error:  # TensorFlow and TFDS raise many kinds here.
    raise RuntimeError(
        f'The data set {name!r} in {builder.data_dir} cannot be read '
        f'({_first_line(error)}). Delete that folder, and it is made again.'
    ) from error
  return federated_dataset.LabelledExamples(
      class_names=tuple(builder.info.features['label'].names),
      features=images,
      labels=labels,
      test_features=test_features,
      test_labels=test_labels,
  )


def source_state(
    name: str, data_dir: Optional[Union[str, os.PathLike]] = None
) -> Optional[str]:
  """Says in which state the files of a data set are.

  Args:
    name: As for `load_tfds_images`.
    data_dir: As for `load_tfds_images`.

  Returns:
    A text that changes with the data set's version and folder and whenever a
    file there is written, even with what it held; None if it is not there.

  Raises:
    UnknownDatasetError: TFDS has no such data set, configuration or version.
    RuntimeError: It is older than the archive that the user put there for it.
  """
  builder = _find_builder(name, data_dir)
  folder = pathlib.Path(builder.data_dir).resolve()
  if not (folder / _INFO_FILE).exists():
    return None
  _check_archives(name, builder)
  files = [
      (path.name, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
      for path in sorted(folder.iterdir()) if (status := path.stat())
  ]
  return repr((builder.info.full_name, os.fsencode(folder), files))


def _find_builder(
    name: str, data_dir: Optional[Union[str, os.PathLike]]
) -> _Builder:
  # See the module's docstring.
  import tensorflow_datasets as tfds

  if data_dir is not None:
    data_dir = arguments.expand_path(data_dir, 'data_dir')
  try:
    return tfds.builder(name, data_dir=data_dir)
  # Also for a name that cannot be parsed, an unknown version, and a prefix such
  # as 'huggingface:' whose package is not installed.
  except (ValueError, AssertionError, ImportError) as error:
    raise UnknownDatasetError(
        f'TensorFlow Datasets has no data set {name!r} ({_first_line(error)}).'
    ) from error


def _check_archives(name: str, builder: _Builder) -> None:
  """Refuses data that are older than the archives that they come from.

  TFDS itself never looks at an archive again once it has read it. Which ones a
  data set is of it does not say; the instructions to the user mostly do.

  Raises:
    RuntimeError: An archive that the instructions name is newer.
  """
  info_file = os.path.join(builder.data_dir, _INFO_FILE)
  if not _has_manual_download(builder) or not os.path.exists(info_file):
    return
  prepared = os.path.getmtime(info_file)
  newer = [
      path.name for path in sorted(_manual_folder(builder).iterdir())
      if path.stat().st_mtime > prepared
  ]
  named = [
      file for file in newer if file in builder.MANUAL_DOWNLOAD_INSTRUCTIONS
  ]
  if named:
    raise RuntimeError(
        f'The data set {name!r} in {builder.data_dir} was prepared before'
        f' {", ".join(named[:3])} came to {_manual_folder(builder)}. Delete the'
        ' former folder, and it is made again; or, if the archive holds what'
        f' the data set was made of, touch {info_file}.'
    )
  if newer:
    logging.warning(
        'The data set %r in %s was prepared before %s came to %s. If it is of'
        ' that archive, delete the folder, and it is made again.',
        name, builder.data_dir, ', '.join(newer[:3]), _manual_folder(builder),
    )


def _check_features(name: str, builder: _Builder) -> None:
  # See the module's docstring.
  import tensorflow_datasets as tfds

  features = dict(builder.info.features or {})
  image, label = features.get('image'), features.get('label')
  if not (isinstance(image, tfds.features.Image)
          and isinstance(label, tfds.features.ClassLabel)
          and image.np_dtype == np.uint8 and None not in image.shape):
    raise ValueError(
        f'The data set {name!r} must have a uint8 image of one shape and a '
        f'class label, but has {features}.'
    )


def _prepare(name: str, builder: _Builder) -> None:
  """Downloads the data set where it is not there yet."""
  if not os.path.exists(os.path.join(builder.data_dir, _INFO_FILE)):
    # Without a network TFDS tries on for minutes.
    if not (_has_manual_download(builder) or _has_network()):
      raise RuntimeError(_advice(name, builder, 'there is no network'))
    try:
      builder.download_and_prepare()
    except Exception as error:  # Anything between a server and a full disk.
      raise RuntimeError(
          _advice(name, builder, _first_line(error))
      ) from error
  missing = {'train', 'test'} - set(builder.info.splits)
  if missing:
    raise ValueError(
        f'The data set {name!r} must have the splits train and test, but has '
        f'{", ".join(builder.info.splits)}.'
    )


def _manual_folder(builder: _Builder) -> pathlib.Path:
  """Where TFDS looks for archives that the user has downloaded."""
  depth = len(pathlib.PurePath(builder.info.full_name).parts)
  root = pathlib.Path(builder.data_dir).parents[depth - 1]
  return root / 'downloads' / 'manual'


def _has_manual_download(builder: _Builder) -> bool:
  folder = _manual_folder(builder)
  return bool(builder.MANUAL_DOWNLOAD_INSTRUCTIONS and folder.is_dir()
              and any(folder.iterdir()))


def _has_network() -> bool:
  if urllib.request.getproxies():
    return True
  try:
    socket.create_connection(_DOWNLOAD_HOST, timeout=5).close()
  except OSError:
    return False
  return True


def _advice(name, builder, reason: str) -> str:
  advice = (
      f'The data set {name!r} is not in {builder.data_dir} and could not be '
      f'downloaded ({reason}). Give the folder that holds it with --data_dir '
      '(data_dir), or run the same again where it can be downloaded.'
  )
  if builder.name == 'emnist':
    advice += (
        " From files of NIST's gzip.zip, python -m"
        ' astraea_tff.data.prepare_emnist prepares it.'
    )
  if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
    instructions = ' '.join(builder.MANUAL_DOWNLOAD_INSTRUCTIONS.split())
    advice += f' By hand, to {_manual_folder(builder)}: {instructions}'
  return advice


def _first_line(error: Exception) -> str:
  lines = str(error).splitlines() or ['']
  return f'{type(error).__name__}: {lines[0]:.400}'


def _read(
    builder: _Builder, split: str
) -> tuple[np.ndarray, np.ndarray]:
  """Reads a split batch by batch, so that it is in memory only once."""
  # See the module's docstring.
  import tensorflow_datasets as tfds

  num_examples = builder.info.splits[split].num_examples
  image_shape = builder.info.features['image'].shape
  images = np.empty([num_examples, *image_shape], np.uint8)
  labels = np.empty([num_examples], np.int32)
  start = 0
  dataset = builder.as_dataset(
      split=split,
      # TFDS would keep a small data set in memory for a second pass.
      read_config=tfds.ReadConfig(try_autocache=False),
  ).batch(_EXAMPLES_PER_READ)
  progress = tqdm.tqdm(
      total=num_examples, desc=f'reading {builder.name}/{split}',
      unit='example', leave=False,
  )
  with progress:
    for examples in dataset.as_numpy_iterator():
      end = start + len(examples['label'])
      images[start:end] = examples['image']
      labels[start:end] = examples['label']
      progress.update(end - start)
      start = end
  return images, labels
