"""``python -m manylabel``: the same as the command ``manylabel``."""

from manylabel.cli.main import main

if __name__ == "__main__":
    main()
