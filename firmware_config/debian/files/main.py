"""What /usr/bin/affect-edge starts, under the name that its help shows."""

import sys

from edge.commands import main

sys.exit(main())
