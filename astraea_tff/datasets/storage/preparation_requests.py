"""The cache's folder that answers a request for a prepared data set.

The answer is the text of a file that is named after the request and the state
of its source. Anybody may have written to that file, so it is believed only if
it is a name that the cache gives.
"""

from collections.abc import Mapping
import hashlib
import json
import os
import pathlib
from typing import Any, Optional, Union

from absl import logging
import numpy as np

from astraea_tff import arguments
from astraea_tff.datasets.sources import presets
from astraea_tff.datasets.storage import cache_folders


def digest_request(
    file_format: str,
    name: str,
    num_clients: Optional[int],
    seed: int,
    data_dir: Optional[Union[str, os.PathLike]],
    partition_arguments: Mapping[str, Any],
    fraction: Optional[float] = None,
    test_per_class: Optional[int] = None,
) -> str:
  """Returns 16 hexadecimal digits for a request of `preparation.prepare`.

  Arguments that are not listed are those of `prepare`.

  Args:
    file_format: Changed with what a seed's partition is.
  """
  preset = presets.find_preset(name, fraction, test_per_class)
  if num_clients is None:
    num_clients = preset.num_clients
  # The request holds what the name says, since a name's meaning may change.
  division = presets.partition_arguments(name, partition_arguments, fraction)
  if data_dir is None:
    data_dir = os.environ.get('TFDS_DATA_DIR')
  if data_dir is not None:
    data_dir = arguments.expand_path(data_dir, 'data_dir')
    data_dir = str(pathlib.Path(data_dir).resolve())
  request = [file_format, name, num_clients, seed, data_dir, division]
  portion = (fraction, test_per_class)
  if portion != (None, None):
    request.append(portion)
  # Sizes and counts may be given as arrays; their values are what counts.
  text = json.dumps(
      request, sort_keys=True, default=lambda value: np.asarray(value).tolist()
  )
  return hashlib.sha256(text.encode()).hexdigest()[:16]


def request_file(request: str, source: Optional[str]) -> str:
  """Returns the name of the file that says which folder answers a request.

  Args:
    request: What `digest_request` returned.
    source: What state the source is in; None if it is not there.
  """
  digest = hashlib.sha256(str(source).encode()).hexdigest()
  return f'{request}-{digest[:16]}.request'


def find_answer(
    folder: pathlib.Path, request: str, source: Optional[str]
) -> Optional[str]:
  """Returns the name of the folder that answers a request, if there is one."""
  if source is not None:
    path = folder / request_file(request, source)
  else:
    # The source is not there to be divided again.
    earlier = list(folder.glob(f'{request}-*.request'))
    if not earlier:
      return None
    path = max(earlier, key=lambda path: path.stat().st_mtime)
    logging.warning(
        'The data that %s was prepared from are not there any more; what was'
        ' made of them last is used.', folder,
    )
  try:
    answer = path.read_bytes()
  except FileNotFoundError:
    return None
  answer = answer.decode(errors='replace')
  return answer if cache_folders.STORE_NAME.fullmatch(answer) else None
