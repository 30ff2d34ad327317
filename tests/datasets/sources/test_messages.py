"""Messages stay a line, however many classes lack examples."""

import numpy as np
import pytest

from astraea_tff.datasets.partitioning import distributions
from astraea_tff.datasets.partitioning import partition as partition_lib
from astraea_tff.datasets.sources import emnist


def test_a_long_list_is_cut_to_its_first_items_and_its_last():
  items = [f'item {k}' for k in range(47)]
  assert distributions.join_some(items[:12]) == '; '.join(items[:12])
  assert distributions.join_some(items) == (
      '; '.join(items[:11]) + '; (35 more); item 46'
  )


def test_missing_images_of_all_classes_are_a_short_line():
  with pytest.raises(ValueError) as caught:
    emnist.balanced_test_indices(np.zeros([0], np.int32))
  with pytest.raises(ValueError) as other:
    partition_lib.partition(
        np.arange(200), 2, 200, seed=0, global_distribution=[2] * 200
    )
  for message in (str(caught.value), str(other.value)):
    assert len(message) < 1000 and '\n' not in message
