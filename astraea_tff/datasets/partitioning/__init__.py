"""Division of labelled examples among clients, along the paper's three axes."""
