"""Clients' data in batches, by dataset or by id, and the data of mediators."""
