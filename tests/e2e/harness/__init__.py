"""What the end-to-end tests stand on: clusters, databases, the program, waiting."""
