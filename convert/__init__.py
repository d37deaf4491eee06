"""From data to a bundle: datasets, models, training, quantization and packing; on a workstation, never on a camera."""
