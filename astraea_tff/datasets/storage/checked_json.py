"""Descriptions of stored data, in JSON that shows when it was damaged."""

from collections.abc import Mapping
import json
from typing import Any
import zlib


def sealed(description: Mapping[str, Any]) -> dict[str, Any]:
  """Returns a description with its `checksum`.

  Args:
    description: What JSON can hold, its `format` among it.
  """
  return {**description, 'checksum': _checksum(description)}


def parse(content: bytes, file_format: Any, name: str) -> dict[str, Any]:
  """Returns what was `sealed`, without the checksum and the format.

  Args:
    content: The file's content.
    file_format: The `format` that it must have.
    name: What the file is, for the error.

  Raises:
    ValueError: It has another checksum or format, or is no JSON.
    KeyError: It has none of them.
  """
  description = json.loads(content)
  checksum = description.pop('checksum')
  if checksum != _checksum(description):
    raise ValueError(f'its {name} has another checksum')
  if description.pop('format') != file_format:
    raise ValueError('it has another format')
  return description


def _checksum(description: Mapping[str, Any]) -> int:
  return zlib.crc32(json.dumps(description, sort_keys=True).encode())
