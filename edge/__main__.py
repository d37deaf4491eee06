"""`python -m edge`, the same as `affect-edge`."""

from edge.commands import main

main()
