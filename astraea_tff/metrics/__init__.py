"""What clients and runs are measured by: description, classification, traffic."""
