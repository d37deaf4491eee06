"""A bundle meets a place of its own: learns from its labels, adapts to its light, and refuses what is worse."""
