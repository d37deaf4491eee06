"""The device as a Debian package: our wheel and what it needs, for one architecture and one Python, without root.

It owns what lies where in the package. It refuses to be built twice from the same source with another result.
"""
