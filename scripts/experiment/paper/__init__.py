"""The paper's experiments and ours: rows, runs, pages and claims."""
