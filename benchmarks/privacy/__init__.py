"""Whether the release rule protects one person: visitors are simulated, and attacks are played on what is released."""
