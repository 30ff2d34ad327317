"""Mediators that train their clients in a chain: Algorithm 1 of the paper."""
