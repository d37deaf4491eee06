"""How well faces are followed, and how many visits are counted, on drawn crowds and on labelled clips."""
