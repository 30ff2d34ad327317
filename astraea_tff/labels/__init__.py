"""What is known of clients' labels: counts, divergence, collection, privacy."""
