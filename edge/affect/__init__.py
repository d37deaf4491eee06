"""From crops to aggregated valence and arousal."""
