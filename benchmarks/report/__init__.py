"""The kept results as pages and pictures: every figure comes from a file, none is typed."""
