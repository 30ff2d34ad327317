"""Random transforms of examples."""
