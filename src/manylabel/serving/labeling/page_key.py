"""What opens the labeling page.

In:  the token in the address of the page; the cookie of later requests.
Out: permission to ask.
"""

import hmac

from fastapi import HTTPException, Request, Response


class PageKey:
    """A token that opens the page, and the cookie that keeps it open.

    Args:
        token: The token.
        port: Port of the server: a browser sends the cookies of one port to all others of an address.
    """

    def __init__(self, token: str, *, port: int) -> None:
        self._token = token
        self._cookie = f"manylabel_{port}"

    def admits(self, token: str) -> bool:
        """Tell whether a token is right, in a time that does not reveal how much of it is."""
        return hmac.compare_digest(token.encode(), self._token.encode())

    def give(self, answer: Response) -> None:
        """Give a browser the cookie."""
        answer.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")

    def check(self, request: Request) -> None:
        """Refuse requests of whoever did not open the page by its whole address.

        Raises:
            HTTPException: 401: the cookie is missing or wrong.
        """
        if not self.admits(request.cookies.get(self._cookie, "")):
            raise HTTPException(401, "open the address that `manylabel app` shows in the terminal")
