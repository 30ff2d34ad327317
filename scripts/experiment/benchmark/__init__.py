"""The benchmark of a round."""
