"""The device on this machine: what `affect-edge bench` measures, and what only a workstation needs to know."""
