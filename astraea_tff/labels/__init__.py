"""What is known of the clients' labels: counts, divergence, collection, privacy."""
