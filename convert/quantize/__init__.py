"""From Keras weights to the device's graphs: an int8 backbone and a float32 head; and what is inside a graph."""
