"""Which of several processes this one is, where some train a model together.

In:  the environment variables that ``accelerate launch`` and ``torchrun`` set.
Out: the number of processes, and the number of this one.
"""

import os


def count_processes() -> int:
    """Count the processes that train together; 1 for a process of its own."""
    return int(os.environ["WORLD_SIZE"]) if "LOCAL_RANK" in os.environ else 1


def process_number() -> int:
    """Return the number of this process, from 0; the first one writes what all have trained."""
    return int(os.environ["RANK"]) if count_processes() > 1 else 0
