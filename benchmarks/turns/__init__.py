"""Two checkouts of the device on the same frames, in turns: what one costs beside the other."""
