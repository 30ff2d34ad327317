"""One training run: its settings, population, algorithm, log and folder."""
