"""Answer errors with a sentence, as JSON.

In:  an app.
Out: the same app; every error that it raises for the client is an object with ``detail``.
"""

from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from manylabel.serving.limits import quoted


def answer_errors(app: FastAPI) -> None:
    """Register the error handlers of an app."""
    app.add_exception_handler(HTTPException, _explain_error)
    app.add_exception_handler(RequestValidationError, _explain_value)


async def _explain_error(request: Request, error: Exception) -> Response:
    """Answer an error with a sentence, also where the framework has only the name of its status."""
    assert isinstance(error, HTTPException)
    path = quoted(request.scope["path"])
    listed = "; /openapi.json lists what {}" if request.app.openapi_url else ""
    if error.detail == HTTPStatus.NOT_FOUND.phrase:
        error.detail = f"nothing is served at {path}" + listed.format("is")
    elif error.detail == HTTPStatus.METHOD_NOT_ALLOWED.phrase:
        error.detail = f"{path} does not take {quoted(request.method)}" + listed.format("it takes")
    return await http_exception_handler(request, error)


async def _explain_value(request: Request, error: Exception) -> Response:
    """Answer a wrong parameter with a sentence."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name, given = quoted(str(first["loc"][-1])), quoted(str(first["input"]))
    detail = f"parameter {name} is {given}: {first['msg'].removeprefix('Input ')}"
    return await http_exception_handler(request, HTTPException(422, detail))
