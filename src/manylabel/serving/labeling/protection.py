"""What all apps of the labeling page do before they answer.

In:  an app.
Out: the same app; it answers this machine and its own pages alone, within limits, and errors with a sentence.
"""

from fastapi import FastAPI

from manylabel.serving.error_answers import answer_errors
from manylabel.serving.hosts import AllowedHosts, KnownHosts
from manylabel.serving.limits import ServeLimits
from manylabel.serving.middleware import BoundedRequests, NamedRequests
from manylabel.serving.state import Measures


def protect(app: FastAPI, *, limits: ServeLimits) -> None:
    """Protect an app.

    Args:
        app: The app.
        limits: What is refused.
    """
    app.add_middleware(KnownHosts, hosts=AllowedHosts())
    app.add_middleware(BoundedRequests, limits=limits)
    app.add_middleware(NamedRequests, measures=Measures())
    answer_errors(app)
