"""`python -m edge`, the same as `affect-edge`."""

from edge.commands import main

if __name__ == "__main__":
    main()
