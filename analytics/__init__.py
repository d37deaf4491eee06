"""The server side: collects windows from a broker, stores them, reports, plans experiments and judges them."""
