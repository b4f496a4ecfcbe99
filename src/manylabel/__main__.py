"""Run the command ``manylabel`` as ``python -m manylabel``.

In:  the words of the command line.
Out: what the command writes.
"""

from manylabel.cli.main import main

if __name__ == "__main__":
    main()
