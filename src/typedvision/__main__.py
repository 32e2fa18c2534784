"""`python -m typedvision`: the command line."""

from typedvision.cli import main

if __name__ == "__main__":
    main()
