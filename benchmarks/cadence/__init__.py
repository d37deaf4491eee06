"""What it costs in truth to search for faces less often than in every frame."""
