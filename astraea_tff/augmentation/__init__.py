"""Augmentation of minority classes: Algorithm 2 of the paper."""
