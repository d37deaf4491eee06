"""What /usr/bin/affect-edge starts, under the name that its help shows."""

from edge.cli import main

main()
