"""Updates of the model alone: the bundles that a device keeps, which of them runs, and its time of trial."""
