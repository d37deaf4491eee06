"""Labelled faces: reading the published layouts, finding each face with the device's own detector, and the split."""
