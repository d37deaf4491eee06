"""How `python -m analytics collect` keeps its promises: kills, rates, and a day of a fleet."""
