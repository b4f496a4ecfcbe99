"""What the labeling page and the process of the model in use send each other.

In:  values.
Out: messages.
"""

import msgspec


class ServeOrder(msgspec.Struct, frozen=True, kw_only=True, tag="serve"):
    """What to serve, sent once.

    Attributes:
        bundle: Absolute path of the bundle.
        token: What the page sends with every question.
    """

    bundle: str
    token: str


class Listening(msgspec.Struct, frozen=True, kw_only=True, tag="listening"):
    """Where questions are answered.

    Attributes:
        port: The port.
    """

    port: int


class NotServed(msgspec.Struct, frozen=True, kw_only=True, tag="not served"):
    """Why nothing is served.

    Attributes:
        problem: One sentence.
    """

    problem: str


FromServer = Listening | NotServed

TO_SERVER, FROM_SERVER = msgspec.msgpack.Decoder(ServeOrder), msgspec.msgpack.Decoder(FromServer)
