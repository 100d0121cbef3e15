"""Run the command line by ``python -m argdask``."""

from argdask.cli import main

if __name__ == "__main__":
    main()
