"""What the machine could do at best, beside what the graphs reach on it."""
