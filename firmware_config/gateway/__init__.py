"""A store's own broker between its cameras and the centre: it keeps what the line cannot carry."""
