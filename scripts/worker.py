"""Starts a TFF worker from a checkout; once installed, `astraea-worker` does.

  python scripts/worker.py --port=10000
  python scripts/train.py --workers=localhost:10000,localhost:10001 ...
"""

import os

# TensorFlow reads it when it is imported, and would fill the terminal.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from astraea_tff.runtime import serve

if __name__ == '__main__':
  serve.run()
