"""How the libraries that build on `requests` use it: no redirect is followed, and every answer comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests

from ai_factory.forge.answers import DONE, Answer
from ai_factory.forge.host import SilentError


class RefusedError(Exception):
    """An answer that is no success, on its way past a library to whoever asked."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class Session(requests.Session):
    """A session for all threads of a run."""

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        """Send one request; raises RefusedError for what is no success, so that no library tries again or waits."""
        response = super().request(*arguments, **{**options, "allow_redirects": False})
        if response.status_code not in DONE:
            raise RefusedError(response)
        return response


def answer_to(call: Callable[[], requests.Response], timeout: int) -> Answer:
    """The answer to a request that the call sends through a Session. Raises SilentError without one."""
    try:
        response = call()
    except RefusedError as refused:
        response = refused.response
    except requests.Timeout:
        raise SilentError(f"not within {timeout} seconds") from None
    except requests.RequestException as error:
        raise SilentError(type(error).__name__) from None
    headers = {key.lower(): value for key, value in response.headers.items()}
    return Answer(response.status_code, headers, response.content.decode(errors="replace"))
