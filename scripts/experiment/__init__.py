"""What the scripts are made of: settings, runs, their records and pictures.

Needs matplotlib and tqdm (`pip install astraea_tff[scripts]`), which the rest
of the package does not.
"""
