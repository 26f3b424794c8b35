"""Simulated clients: they sign, call, and try again as AWS's SDKs do, and keep the history of what they were told."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from contextlib import suppress
from random import Random
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from services.kms_api.app import Reply
from services.signing import Signed, sign
from tests.consistency.observed import ObservedCall
from tests.simulation.installation import ROOT, SETTINGS, Installation
from tests.simulation.virtual import EPOCH

CALL_DEADLINE = 40.0
ATTEMPT_DEADLINE = 15.0
USER = "simulated"
USER_ARN = f"arn:aws:iam::{SETTINGS.account_id}:user/{USER}"
IN_BURSTS = 0.6
OPENED = 0.15
"""The share of key policies that let everybody in, which alerts are about."""
PLAIN = b64encode(b"what the clients encrypt").decode()


def policy(name: str, *, allows: bool, opens: bool = False) -> str:
    """`allows`: whether the clients' user may use the key; `opens`: whether everybody may."""
    root = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{SETTINGS.account_id}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    user = {
        "Effect": "Allow",
        "Principal": {"AWS": USER_ARN},
        "Action": ["kms:Encrypt", "kms:DescribeKey"],
        "Resource": "*",
    }
    everybody = {**user, "Principal": {"AWS": "*"}}
    statements = [root, *[user] * allows, *[everybody] * opens]
    return json.dumps({"Version": "2012-10-17", "Id": name, "Statement": statements})


def _within(body: str, element: str) -> str:
    return body.partition(f"<{element}>")[2].partition("<")[0]


class Broken(Exception):
    """The connection was broken off."""


class Network:
    """The way from clients to APIs. `lost`: the chance that a request or an answer does not arrive."""

    def __init__(self, installation: Installation, chance: Random) -> None:
        self._installation = installation
        self._chance = chance
        self.lost = 0.0

    async def post(self, api: str, signed: Signed) -> Reply:
        """Raises Broken."""
        loop = asyncio.get_running_loop()
        await self._way()
        app, process = self._installation.apps.get(api), self._installation.processes[api]
        if app is None or process.dead:
            raise Broken(f"{api} is away")
        answer: asyncio.Future[Reply] = loop.create_future()

        def died() -> None:
            if not answer.done():
                answer.set_exception(Broken(f"{api} died"))

        async def serve() -> None:
            reply = await app.call(signed, "10.0.0.1", False)
            if not answer.done():
                answer.set_result(reply)

        process.on_death.append(died)
        process.start(serve())
        try:
            reply = await answer
        finally:
            if died in process.on_death:
                process.on_death.remove(died)
        await self._way()
        return reply

    async def _way(self) -> None:
        await asyncio.sleep(self._chance.uniform(0.0002, 0.001))
        if self._chance.random() < self.lost:
            raise Broken("lost on the way")


class Client:
    """`key`: (access key, secret)."""

    def __init__(self, number: int, network: Network, chance: Random, history: list[ObservedCall]) -> None:
        self.number = number
        self.key = ROOT
        self._network = network
        self._chance = chance
        self._history = history

    async def call(self, operation: str, **parameters: Any) -> ObservedCall:
        loop = asyncio.get_running_loop()
        made = ObservedCall(self.number, operation, parameters, loop.time())
        self._history.append(made)
        body, invocation = json.dumps(parameters).encode(), str(uuid4())
        at = self.number % 2
        while True:
            began = loop.time()
            try:
                async with asyncio.timeout(min(ATTEMPT_DEADLINE, max(0.1, made.began + CALL_DEADLINE - began))):
                    reply = await self._network.post(f"api-{at + 1}", self._signed(operation, body, invocation))
                made.status, made.request_id = reply.status, reply.call
                made.answer = json.loads(reply.body) if reply.body else {}
                how = str(reply.status)
            except (Broken, TimeoutError) as fault:
                made.status, how = None, type(fault).__name__
            made.ended = loop.time()
            made.attempts.append((at, made.ended - began, how))
            if made.answered or made.ended >= made.began + CALL_DEADLINE:
                return made
            at = 1 - at
            await asyncio.sleep(self._chance.uniform(0.02, 0.3) * min(8, 2 ** len(made.attempts)))

    def _signed(self, operation: str, body: bytes, invocation: str) -> Signed:
        headers = {"x-amz-target": f"TrentService.{operation}", "content-type": "application/x-amz-json-1.1"}
        return self._by(headers, body, "kms", invocation)

    def _by(self, headers: dict[str, str], body: bytes, service: str, invocation: str) -> Signed:
        headers = {"host": "keytrail.invalid", "amz-sdk-invocation-id": invocation, **headers}
        now = EPOCH + asyncio.get_running_loop().time()
        signed = sign(Signed("POST", "/", "", headers, body), *self.key, SETTINGS.region, service, now)
        return Signed("POST", "/", "", signed, body)

    async def query(self, **parameters: str) -> str:
        """A call of IAM by the Query protocol, tried until it is answered. Returns the body."""
        body, invocation = urlencode({"Version": "2010-05-08", **parameters}).encode(), str(uuid4())
        form = {"content-type": "application/x-www-form-urlencoded"}
        while True:
            with suppress(Broken):
                reply = await self._network.post("api-1", self._by(form, body, "iam", invocation))
                if reply.status == 200:
                    return reply.body.decode()
            await asyncio.sleep(0.2)


class Load:
    """`changing` and `using` clients, each with one call under way and a rest between two calls. `calls`: what they were told."""

    def __init__(self, installation: Installation, seed: int) -> None:
        self.chance = Random(f"{seed} clients")  # the seed decides everything
        self.network = Network(installation, self.chance)
        self.calls: list[ObservedCall] = []
        self.keys: list[str] = []
        self._numbers = 0

    async def run(self, changing: int, using: int, keys: int, calls: int, rest: float) -> None:
        """`calls`: how many each client makes; `rest`: the seconds between two bursts of them, on average."""
        clients = [Client(number, self.network, self.chance, self.calls) for number in range(changing + using)]
        await clients[0].query(Action="CreateUser", UserName=USER)
        made_key = await clients[0].query(Action="CreateAccessKey", UserName=USER)
        for each in clients[changing + 1 :: 2]:
            each.key = (_within(made_key, "AccessKeyId"), _within(made_key, "SecretAccessKey"))
        while len(self.keys) < keys:
            made = await clients[0].call("CreateKey", Description="0")
            if made.succeeded:
                self.keys.append(made.answer["KeyMetadata"]["KeyId"])
        async with asyncio.TaskGroup() as group:
            for each in clients:
                group.create_task(self._work(each, each.number < changing, calls, rest))

    async def _work(self, client: Client, changes: bool, calls: int, rest: float) -> None:
        for _ in range(calls):
            # Mostly in bursts, so that calls meet each other.
            pause = (
                self.chance.uniform(0, 0.03) if self.chance.random() < IN_BURSTS else self.chance.uniform(0, 2 * rest)
            )
            await asyncio.sleep(pause)
            await (self._change if changes else self._use)(client)

    async def _change(self, client: Client) -> None:
        self._numbers += 1
        key, number, draw = self.chance.choice(self.keys), f"sim-{self._numbers}", self.chance.random()
        if draw < 0.2:
            allows, opens = self.chance.random() < 0.6, self.chance.random() < OPENED
            await client.call("PutKeyPolicy", KeyId=key, Policy=policy(number, allows=allows, opens=opens))
        elif draw < 0.5:
            await client.call("UpdateKeyDescription", KeyId=key, Description=number)
        elif draw < 0.65:
            await client.call("DisableKey", KeyId=key)
        elif draw < 0.85:
            await client.call("EnableKey", KeyId=key)
        elif draw < 0.92:
            await client.call("CreateKey", Description=number)
        elif draw < 0.96:
            await client.call("TagResource", KeyId=key, Tags=[{"TagKey": "number", "TagValue": number}])
        else:
            made = await client.call("CreateKey", Description=number)
            if made.succeeded:  # a key that nobody uses: the others stay as they are
                new = made.answer["KeyMetadata"]["KeyId"]
                await client.call("ScheduleKeyDeletion", KeyId=new, PendingWindowInDays=7)

    async def _use(self, client: Client) -> None:
        key = self.chance.choice(self.keys)
        if self.chance.random() < 0.4:
            await client.call("DescribeKey", KeyId=key)
        else:
            await client.call("Encrypt", KeyId=key, Plaintext=PLAIN)
