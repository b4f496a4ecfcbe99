"""Let threads that wait for each other rest.

In:  the environment of the process.
Out: the same, with the wish that OpenMP reads when torch is loaded.
"""

import os


def rest_soon() -> None:
    """Let threads that wait for each other go to sleep after microseconds, unless the user says otherwise.

    Usually they spin for milliseconds, which with one busy core beside them makes training 3 to 6 times as
    slow. GNU's OpenMP reads this once, when torch is loaded: afterwards it changes nothing. On an idle
    machine it costs 4 %.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
