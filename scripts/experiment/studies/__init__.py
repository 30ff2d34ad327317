"""Studies beside the experiments."""
