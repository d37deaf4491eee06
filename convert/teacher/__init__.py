"""The teacher: a face landmarker's blendshapes and head pose, and trees from them to valence and arousal."""
