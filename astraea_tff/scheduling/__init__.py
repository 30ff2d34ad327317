"""Clients grouped under mediators: Algorithm 3 of the paper."""
