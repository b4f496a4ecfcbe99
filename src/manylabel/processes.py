"""Which of several processes this one is, where some train a model together.

In:  the environment variables that ``accelerate launch`` and ``torchrun`` set.
Out: the number of processes, and the number of this one.
"""

import os


def count_processes() -> int:
    """Count the processes that train together; 1 for a process of its own."""
    # A scheduler may set some of them for other reasons.
    is_launched = all(name in os.environ for name in ("LOCAL_RANK", "RANK", "WORLD_SIZE"))
    return int(os.environ["WORLD_SIZE"]) if is_launched else 1


def process_number() -> int:
    """Return the number of this process, from 0; the first one writes what all have trained."""
    return int(os.environ["RANK"]) if count_processes() > 1 else 0
