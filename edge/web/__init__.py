"""The page for setting a device up: places and sizes of faces, its state, zones and hours; never a picture or a score.

It is the extra `web`, listens on loopback only, and lets nobody in whom `affect-edge setup` gave no code. While nobody
looks, nothing is computed for it.
"""
