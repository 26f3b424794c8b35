"""Our stand-ins for parts of uvicorn have what its source asks for."""

from __future__ import annotations

import ast
import inspect
import textwrap

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.api.protocol import GuardedProtocol
from services.kms_api.exchange import UVICORNS, Exchange


def _of_cycle(function: str) -> set[str]:
    """The attributes of `self.cycle` that a function of uvicorn's protocol sets or reads."""
    source = textwrap.dedent(inspect.getsource(getattr(HttpToolsProtocol, function)))
    return {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("self.cycle", "cycle")
    }


def test_an_exchange_has_what_uvicorn_asks_of_its_cycle() -> None:
    own = [name for name in vars(HttpToolsProtocol) if inspect.isfunction(vars(HttpToolsProtocol)[name])]
    asked = {name: _of_cycle(name) for name in own}
    replaced = {name for name in asked if asked[name] and name in vars(GuardedProtocol)}
    assert replaced == {"connection_lost", "_start_asgi_task", "on_body", "on_message_complete"}
    # `connection_lost` always calls uvicorn's; the other three do so for requests that go through ASGI.
    through_asgi = replaced - {"connection_lost"}
    assert set().union(*(names for name, names in asked.items() if name not in through_asgi)) == set(UVICORNS)
    assert set(UVICORNS) <= set(Exchange.__slots__)
