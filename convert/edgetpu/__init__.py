"""What an Edge TPU will take of a graph: predicted from the published rules, and as its compiler reports it."""
