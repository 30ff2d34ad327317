"""What is known of a client's dataset: its name, its end, and its errors."""
