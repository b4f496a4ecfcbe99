"""The process that learns from answers: ``python -m manylabel.live_model.process``.

In:  messages at standard input.
Out: messages at standard output; the last one tells why it ends, if it is for a reason that a user can mend.
"""

import os
from contextlib import suppress

from manylabel.errors import ManylabelError, needs_extra
from manylabel.live_model.messages import Failed
from manylabel.live_model.pipes import send, take_pipes

_NICE = 10


def main() -> None:
    """Learn until the page is gone."""
    source, sink = take_pipes()
    if hasattr(os, "nice"):  # not on Windows
        os.nice(_NICE)  # the page comes first
    with suppress(OSError):  # the page is gone
        try:
            with needs_extra("Learning from answers", "train"):
                from manylabel.live_model.worker import work  # not at the top: an extra, slow
            work(source, sink)
        except (ManylabelError, OSError) as error:
            send(sink, Failed(problem=str(error)))  # for nobody, if the page is gone


if __name__ == "__main__":
    main()
