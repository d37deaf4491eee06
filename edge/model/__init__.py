"""Everything about a model file: reading, proving, keeping and running it."""
