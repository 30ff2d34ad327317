"""Arguments of `prepare_augmented` that are none."""

import pytest

import astraea_tff
from astraea_tff import datasets


def test_a_plan_of_other_classes_is_refused(tmp_path):
  data = datasets.prepare(
      'digits', num_clients=1, seed=0, num_examples=20, cache_dir=tmp_path
  )
  plan = astraea_tff.augmentation_plan([3, 1, 1], alpha=1.0)
  with pytest.raises(ValueError, match='the 10 classes of digits, got one of 3'):
    datasets.prepare_augmented(data, plan, seed=0)
  with pytest.raises(TypeError, match='plan must be a .*AugmentationPlan'):
    datasets.prepare_augmented(data, None, seed=0)
  with pytest.raises(TypeError, match='data must be a .*PreparedDataset'):
    datasets.prepare_augmented(None, plan, seed=0)
