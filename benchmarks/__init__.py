"""How fast and how right it is: measurements, references by device, the rendered tables."""
