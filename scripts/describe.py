"""Describes a dataset split over clients: how imbalanced, and what helps.

  python scripts/describe.py --dataset=digits --global_distribution=long_tail \
      --max_clients=5 --max_clients=10 --output_dir=runs/digits

Prints the sizes, the label histogram, the imbalance, the augmentation plan, and
the KL divergence of the clients and of the mediators for every --max_clients,
beside random groups of the same size. The text goes to describe.txt in
--output_dir, beside client_sizes.png, label_histogram.png, kl_divergence.png
and contact_sheet.png. Trains nothing.

The clients are those that train.py makes for Astraea with the same flags and
seed. A preset of train.py needs --undefok for the flags of training:

  python scripts/describe.py --flagfile=scripts/flags/demo.flags \
      --undefok=clients_per_round,batch_size,rounds,rounds_per_evaluation \
      --output_dir=runs/demo_data
"""

from collections.abc import Mapping
import functools
import pathlib

from absl import flags
import numpy as np

# Imported before TensorFlow, which it keeps from filling the terminal.
from experiment.runs import command
from experiment.runs import contact_sheet_plots
from experiment.runs import description
from experiment.runs import flags as flags_lib
from experiment.runs import folder as folder_lib
from experiment.runs import plots
from experiment.runs import population as population_lib
from experiment.runs import settings as settings_lib
from astraea_tff.metrics import description as description_lib

_OUTPUT_DIR = flags_lib.define_path(
    'output_dir',
    None,
    'Where the text and the pictures go; earlier ones are replaced.',
    required=True,
)
_SEED = flags_lib.define_seed('Seed of the partition and of the augmentation.')
_DATA_DIR, _CACHE_DIR = flags_lib.define_folder_flags()
_MAX_CLIENTS = flags.DEFINE_multi_integer(
    'max_clients',
    [5],
    'Clients of a mediator, gamma; repeat the flag to compare several.',
)
_SETTINGS = (
    'dataset',
    'num_clients',
    *settings_lib.PARTITION_SETTINGS,
    'fraction',
    'test_per_class',
    'alpha',
    'target',
)
flags_lib.define_flags(_SETTINGS)


def draw(
    folder: pathlib.Path,
    population: population_lib.Population,
    divergences: Mapping[str, np.ndarray],
) -> None:
  """Draws all pictures."""
  data, plan = population.data, population.plan
  plots.plot_client_sizes(
      folder / 'client_sizes.png', data.label_counts.sum(axis=1)
  )
  plots.plot_label_histogram(
      folder / 'label_histogram.png',
      {
          'before augmentation': plan.counts,
          'after augmentation': population.counts.sum(axis=0),
      },
      data.class_names,
  )
  plots.plot_kl_divergence(
      folder / 'kl_divergence.png',
      # Lines short enough to stand beside one another.
      {name.replace(' ', '\n', 2): v for name, v in divergences.items()},
  )
  contact_sheet_plots.plot_contact_sheet(
      folder / 'contact_sheet.png', data, plan, seed=population.seed
  )


def _describe() -> None:
  gammas = _MAX_CLIENTS.value
  flags_lib.check_different(_MAX_CLIENTS)
  # The smallest stands for all where their range is checked. Nothing trains, so
  # any number of clients in a round will do.
  settings = flags_lib.read_settings(
      _SETTINGS, max_clients=min(gammas), clients_per_round=1
  )
  folder = folder_lib.take_output_folder(_OUTPUT_DIR.value)
  population = population_lib.make_population(
      settings, _SEED.value, _DATA_DIR.value, _CACHE_DIR.value
  )
  divergences = description_lib.measure_divergences(
      population.data.label_counts, population.counts, gammas, settings.target
  )
  text = '\n\n'.join([
      description.describe_data(population),
      description.describe_augmentation(population),
      description_lib.describe_divergences(divergences, settings.target),
  ])
  folder_lib.write_atomically(folder / 'describe.txt', text + '\n')
  draw(folder, population, divergences)
  # Printed last, as the reader of the output may have gone (`| head`).
  print(text)


main = functools.partial(command.run, _describe)

if __name__ == '__main__':
  command.start(main)
