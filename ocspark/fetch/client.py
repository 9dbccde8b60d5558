"""An HTTP client that tries again, waits as long as a server asks, and resumes files."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin

import requests
from requests import exceptions as failures

from ocspark.errors import InputError
from ocspark.fetch.partial import begun, first_byte, note_tag, tag_path

T = TypeVar("T")
_USER_AGENT = "ocspark (open clusters in Gaia; python-requests)"
#: Status codes of failures that may pass by themselves.
_TEMPORARY = {408, 425, 429, 500, 502, 503, 504}
#: Bytes written at a time: at most these are lost where a connection is cut.
_CHUNK = 1 << 14
#: Bytes of a server's error that are read, and characters of it that are shown.
_MOST_SAID, _SHOWN = 1 << 14, 300


@dataclass(frozen=True)
class RetryPolicy:
    """Number of attempts at a request, and the pauses between them.

    Attributes
    ----------
    attempts : int
        Failures in a row that bring no byte, before a request is given up.
    unreached : int
        The same for a server that cannot be reached at all.
    wait_s, longest_wait_s : float
        First wait and longest wait [s]; waits double, unless the server names one.
    timeout_s : float
        Longest silence of a server [s].
    """

    attempts: int = 6
    unreached: int = 3
    wait_s: float = 1.0
    longest_wait_s: float = 600.0
    timeout_s: float = 60.0


class NotThere(InputError):
    """The server has no such file, or does not let it be read."""


class TemporaryFailure(Exception):
    """A failure that may pass.

    Attributes
    ----------
    retry_after_s : float or None
        Wait that the server asks for [s].
    reached : bool
        Whether the server answered at all.
    """

    def __init__(self, why: str, retry_after_s: float | None = None, reached: bool = True) -> None:
        super().__init__(why)
        self.retry_after_s, self.reached = retry_after_s, reached


class Client:
    """Sends requests and tries them again; threads may share one.

    Parameters
    ----------
    policy : RetryPolicy, optional
    sleep : callable, optional
        Waits for some seconds, in place of `time.sleep`.
    """

    def __init__(
        self, policy: RetryPolicy | None = None, sleep: Callable[[float], None] | None = None
    ) -> None:
        self._policy, self._sleep = policy or RetryPolicy(), sleep or time.sleep
        self._local = threading.local()

    def read(self, url: str, form: list[tuple[str, str]] | None = None) -> bytes:
        """Return a small answer; with `form`, that to a form's fields.

        Raises
        ------
        InputError
            If the server refuses, or does not answer.
        """

        def once() -> bytes:
            with self._open(url, {}, form) as answer:
                return b"".join(answer.iter_content(_CHUNK))

        return self.retry(url, lambda: _guarded(url, once), lambda: 0)

    def submit(self, url: str, form: list[tuple[str, str]]) -> str:
        """Send a form that starts a job; return the address of the job that the server names.

        Raises
        ------
        InputError
            If the server refuses it, saying why, names no job, or does not answer.
        """

        def once() -> str:
            with self._open(url, {}, form, follow=False) as answer:
                place = answer.headers.get("Location", "")
                if not answer.is_redirect or not place:
                    raise InputError(f"{url}: expected the address of a job, got {_status(answer)}")
                return urljoin(url, place)

        return self.retry(url, lambda: _guarded(url, once), lambda: 0)

    def delete(self, url: str) -> None:
        """Remove a job from a server, which is asked once.

        Raises
        ------
        InputError
            If the server does not do it.
        """
        try:
            _guarded(url, lambda: self._open(url, {}, None, method="DELETE").close())
        except TemporaryFailure as error:
            raise InputError(f"{url}: {error}") from None

    def wait(self, seconds: float) -> None:
        """Wait, as between two questions to a server."""
        self._sleep(seconds)

    def download(self, url: str, part: Path, form: list[tuple[str, str]] | None = None) -> None:
        """Write a file to `part`, resuming an earlier attempt if the server's file is unchanged.

        Raises
        ------
        InputError
            If the server refuses, or does not send the whole of it.
        """
        self.retry(
            url,
            lambda: _guarded(url, lambda: self._fetch(url, part, form)),
            lambda: part.stat().st_size if part.exists() else 0,
        )
        tag_path(part).unlink(missing_ok=True)

    def retry(self, what: str, once: Callable[[], T], received: Callable[[], int]) -> T:
        """Call `once` until it works; failures that received more than any before do not count.

        Parameters
        ----------
        what : str
            For the error.
        once : callable
            Raises `TemporaryFailure` where another attempt may help.
        received : callable
            Returns the bytes received so far.
        """
        failed, best = 0, received()
        while True:
            try:
                return once()
            except TemporaryFailure as error:
                failed, best = (0 if received() > best else failed + 1), max(best, received())
                most = self._policy.attempts if error.reached else self._policy.unreached
                if failed >= most:
                    hint = "" if error.reached else "; is there a network?"
                    raise InputError(
                        f"{what}: {error}, {failed} times in a row{hint} (the same command goes on "
                        "from here)"
                    ) from None
                self._sleep(self._wait(failed, error.retry_after_s))

    def _wait(self, failed: int, told_s: float | None) -> float:
        if told_s is not None:
            return min(told_s, self._policy.longest_wait_s)
        # not in step with others that were thrown out at the same moment
        wait = self._policy.wait_s * 2 ** max(failed - 1, 0) * random.uniform(0.75, 1.25)
        return min(wait, self._policy.longest_wait_s)

    def _open(
        self,
        url: str,
        headers: Mapping[str, str],
        form: list[tuple[str, str]] | None,
        *,
        method: str | None = None,
        follow: bool = True,
    ) -> requests.Response:
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.headers.update(
                {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"}
            )
        answer = self._local.session.request(
            method or ("GET" if form is None else "POST"),
            url,
            allow_redirects=follow,
            data=form,
            headers=dict(headers),
            stream=True,
            timeout=self._policy.timeout_s,
        )
        if answer.status_code in _TEMPORARY:
            answer.close()
            raise TemporaryFailure(_status(answer), _retry_after_s(answer))
        if answer.status_code >= 400 and answer.status_code != 416:
            with answer:
                said = next(answer.iter_content(_MOST_SAID), b"")
            kind = NotThere if answer.status_code in (403, 404, 410) else InputError
            words = plain_text(said.decode("utf-8", "replace"))
            raise kind(f"{url}: the server says {_status(answer)}{words and f': {words}'}")
        return answer

    def _fetch(self, url: str, part: Path, form: list[tuple[str, str]] | None) -> None:
        have, tag = begun(part, url) if form is None else (0, None)
        headers = {"Range": f"bytes={have}-", "If-Range": tag} if have and tag else {}
        with self._open(url, headers, form) as answer:
            if answer.status_code == 416:  # what is here is no beginning of what is there
                part.unlink(missing_ok=True)
                raise TemporaryFailure("the file has changed")
            start = first_byte(answer)
            if start not in (0, have):
                raise TemporaryFailure(f"sent from byte {start}, not {have}")
            note_tag(part, url, answer)
            expected = answer.headers.get("Content-Length")
            with open(part, "ab" if start else "wb") as file:
                for chunk in answer.iter_content(_CHUNK):
                    file.write(chunk)
                came = file.tell() - start
            if expected is not None and came != int(expected):
                raise TemporaryFailure(f"the connection was cut after {came} of {expected} bytes")


def _guarded(what: str, once: Callable[[], T]) -> T:
    """Call `once`; raise `TemporaryFailure` for what may pass, `InputError` for what will not."""
    try:
        return once()
    except failures.SSLError:
        raise InputError(
            f"{what}: the server's certificate is not trusted; REQUESTS_CA_BUNDLE can name a file "
            "of certificates"
        ) from None
    except (failures.ConnectTimeout, failures.ConnectionError) as error:
        cut = "IncompleteRead" in str(error) or "Connection aborted" in str(error)
        why = "the connection was cut" if cut else "the server cannot be reached"
        raise TemporaryFailure(why, reached=cut) from None
    except (failures.ChunkedEncodingError, failures.ContentDecodingError):
        raise TemporaryFailure("the connection was cut") from None
    except failures.Timeout:
        raise TemporaryFailure("the server does not answer") from None
    except failures.RequestException as error:
        raise InputError(f"{what}: {error}") from None


def plain_text(page: str) -> str:
    """Return the beginning of what a page says, without its marks."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())[:_SHOWN]


def _status(answer: requests.Response) -> str:
    return f"{answer.status_code} {answer.reason}".strip()


def _retry_after_s(answer: requests.Response) -> float | None:
    text = answer.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None
