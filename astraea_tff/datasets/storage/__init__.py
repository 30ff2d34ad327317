"""Clients on disk, and files that appear whole or not at all."""
