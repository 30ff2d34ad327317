"""What a run is judged by: classification, and traffic."""
