"""Evidence: what a bundle was measured on, beyond one figure, and how that is written down."""
