"""What /usr/bin/affect-edge starts, under the name that its help shows."""

from edge.commands import main

main()
