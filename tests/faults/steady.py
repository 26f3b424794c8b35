"""A client that goes on whatever happens, with its answers and refusals."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.installation import Installation


class Steady:
    """Two threads for as long as the block lasts: one changes a key's description, one encrypts under the key."""

    def __init__(self, installation: Installation) -> None:
        self._kms = installation.client(read_timeout=20)
        first = installation.client(retries={"mode": "standard", "total_max_attempts": 10})
        self.key = first.create_key()["KeyMetadata"]["KeyId"]
        first.encrypt(KeyId=self.key, Plaintext=b"x")  # the worker holds the material from now on
        self.changed: list[str] = []
        self.encrypted: list[tuple[float, str]] = []
        """(seconds, request id) of each."""
        self.refused: Counter[str] = Counter()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=each) for each in (self._change, self._encrypt)]

    def __enter__(self) -> Steady:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _change(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            text = f"change {number}"
            if self._tried(self._kms.update_key_description, KeyId=self.key, Description=text) is not None:
                self.changed.append(text)

    def _encrypt(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            answer = self._tried(self._kms.encrypt, KeyId=self.key, Plaintext=b"x")
            if answer is not None:
                self.encrypted.append((time.monotonic() - began, answer["ResponseMetadata"]["RequestId"]))

    def _tried(self, call: Any, **parameters: Any) -> Any:
        try:
            return call(**parameters)
        except ClientError as fault:
            self.refused[fault.response["Error"]["Code"]] += 1
        except BotoCoreError as fault:
            self.refused[type(fault).__name__] += 1
        time.sleep(0.05)  # a refused client does not come back at once
        return None
