"""`python -m edge`, the same as `affect-edge`."""

from edge.cli import main

if __name__ == "__main__":
    main()
