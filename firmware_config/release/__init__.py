"""A release: wheel, packages, bills of materials, checksums, signatures, and a folder that apt installs from."""
