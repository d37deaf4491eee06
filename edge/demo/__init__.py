"""The drawn scene and the broker of the demonstration."""
