"""Measures of clients and runs: description, classification, traffic, time."""
