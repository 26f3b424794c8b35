"""Three accounts on one log, made by the writer's own step, and everything that one of them can learn, by calls and by
routes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import orjson

from domain.alerts.change import Change
from domain.alerts.engine.judge import Judge
from domain.arn import account_in, alias_arn, iam_arn, key_arn, root_arn, session_arn
from domain.authorization.audience import OF_THE_RESOURCE, Audience, Told
from domain.authorization.caller import Caller
from domain.authorization.context import RequestOrigin, request_context
from domain.authorization.evaluate import may
from domain.authorization.verdict import Verdict, refusal_of
from domain.commands.decide import allowed, decide, refused
from domain.commands.identity_permissions import role_resource
from domain.crypto import symmetric
from domain.errors import Refusal
from domain.identities.identity import ROLE, USER
from domain.keys.key import Key
from domain.log.codec import event_from, record_from
from domain.log.command import Command, encode
from domain.log.events import AccountCreated, LogCreated
from domain.log.record import Call
from domain.state import documents
from domain.state.callers import caller_for
from domain.state.fold import Fold
from domain.state.world import World
from projections.decisions import project as decisions
from projections.history import queries as history
from projections.log.entry import DECISIONS, EVENTS, Entry
from projections.log.schema import OWN
from services.audit_api.context import context_of
from services.audit_api.request import AuditRequest
from services.audit_api.resources import routes
from services.kms_api.errors import WireError
from services.kms_api.live_decision import OperationPorts, carry_out
from services.operations.rows import Changing, Issuing, Recalling, Request, Researching, Using
from services.operations.table import BY_NAME
from services.questions.access_between import OF_THE_CHANGE
from services.rendering import call_of
from services.writer.step import WriterStep
from tests.given import REGION, key_id
from tests.logs import NOW, SECOND

A, B, C = "444455556666", "111122223333", "777788889999"
KEYS = {A: (1, 2), B: (11, 12), C: (21,)}
"""Numbers of the keys that an account may have."""
ROOT_KEYS = {A: "AKIAROOTA", B: "AKIAROOTB", C: "AKIAROOTC"}
USERS, ROLES, POLICIES, ALIASES = ("alice", "bob"), ("ops",), ("p", "q"), ("alias/one", "alias/two")
SECRET = "Covert"
"""Part of every text that the other account alone wrote, and that nobody else may see."""
T = TypeVar("T")


def principals_of(account: str) -> list[str]:
    users = [iam_arn(account, USER, "/", name) for name in USERS]
    roles = [iam_arn(account, ROLE, "/", name) for name in ROLES]
    return [root_arn(account), *users, *roles, *(session_arn(account, name, "s") for name in ROLES)]


def policies_of(account: str) -> list[str]:
    return [iam_arn(account, "policy", "/", name) for name in POLICIES]


# -- what accounts do -------------------------------------------------------------------------------------------------

Step = tuple[str, str, dict[str, Any]]
"""(account, operation, parameters). The account's root calls it."""
CONDITIONS: Sequence[dict[str, Any]] = (
    {},
    {},
    {"Condition": {"StringEquals": {"kms:EncryptionContext:app": "x"}}},
    {"Condition": {"StringEquals": {"aws:PrincipalTag/team": "x"}}},
    {"Condition": {"StringEquals": {"aws:ResourceTag/team": "x"}}},
)
ACTIONS = ("kms:*", "kms:Encrypt", "kms:Decrypt", "kms:DescribeKey", "kms:CreateGrant", "kms:ListGrants")


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


class Doing:
    """Random steps."""

    def __init__(self, chance: Random, account: str) -> None:
        self.chance, self.account = chance, account
        self.own = (self.account == A and SECRET) or "Plain"

    def step(self, *, abroad: bool = True) -> Step:
        """`abroad`: it may name principals of other accounts."""
        pick = self.chance.choice
        user, role, policy, alias = pick(USERS), pick(ROLES), pick(POLICIES), pick(ALIASES)
        key = key_id(pick(KEYS[self.account]))
        arn = iam_arn(self.account, "policy", "/", policy)
        inline = {"UserName": user, "PolicyName": f"{self.own}Inline", "PolicyDocument": self._identity_policy()}
        steps: list[tuple[str, dict[str, Any]]] = [
            ("CreateUser", {"UserName": user, "Tags": [{"Key": "team", "Value": pick("xy")}]}),
            ("CreateUser", {"UserName": user, "PermissionsBoundary": self._policy(abroad)}),
            ("DeleteUser", {"UserName": user}),
            ("UpdateUser", {"UserName": user, "NewUserName": pick(USERS)}),
            ("TagUser", {"UserName": user, "Tags": [{"Key": "team", "Value": pick("xy")}]}),
            ("PutUserPolicy", inline),
            ("PutUserPolicy", inline),
            ("DeleteUserPolicy", {"UserName": user, "PolicyName": f"{self.own}Inline"}),
            ("AttachUserPolicy", {"UserName": user, "PolicyArn": self._policy(abroad)}),
            ("DetachUserPolicy", {"UserName": user, "PolicyArn": arn}),
            ("PutUserPermissionsBoundary", {"UserName": user, "PermissionsBoundary": self._policy(abroad)}),
            ("CreateRole", {"RoleName": role, "AssumeRolePolicyDocument": self._trust(abroad)}),
            ("UpdateAssumeRolePolicy", {"RoleName": role, "PolicyDocument": self._trust(abroad)}),
            ("DeleteRole", {"RoleName": role}),
            ("CreatePolicy", {"PolicyName": policy, "PolicyDocument": self._identity_policy()}),
            ("DeletePolicy", {"PolicyArn": arn}),
            ("CreateKey", {"Description": f"{self.own}Key"}),
            ("CreateKey", {"Policy": self._key_policy(abroad)}),
            ("PutKeyPolicy", {"KeyId": key, "Policy": self._key_policy(abroad)}),
            ("PutKeyPolicy", {"KeyId": key, "Policy": self._key_policy(abroad)}),
            ("TagResource", {"KeyId": key, "Tags": [{"TagKey": "team", "TagValue": pick("xy")}]}),
            ("DisableKey", {"KeyId": key}),
            ("CreateAlias", {"AliasName": alias, "TargetKeyId": key}),
            ("UpdateAlias", {"AliasName": alias, "TargetKeyId": key}),
            ("DeleteAlias", {"AliasName": alias}),
            ("CreateGrant", {"KeyId": key, "GranteePrincipal": self._principal(abroad), "Operations": [pick(("Encrypt", "DescribeKey"))]}),
            ("CreateGrant", {"KeyId": key, "GranteePrincipal": self._principal(abroad), "Operations": ["Decrypt", "RetireGrant"]}),
        ]  # fmt: skip
        operation, parameters = pick(steps)
        return self.account, operation, parameters

    def furnished(self, likely: float) -> Iterator[Step]:
        """What most accounts have, each with this probability."""
        allow = _document({"Effect": "Allow", "Action": ["kms:*", "sts:*", "iam:*"], "Resource": "*"})
        keys = KEYS[self.account]
        steps: list[tuple[str, dict[str, Any]]] = [("CreateKey", {"Description": f"{self.own}Key"}) for _ in keys]
        steps += [("CreateUser", {"UserName": user}) for user in USERS]
        steps += [("CreatePolicy", {"PolicyName": policy, "PolicyDocument": allow}) for policy in POLICIES]
        steps += [("CreateAlias", {"AliasName": alias, "TargetKeyId": key_id(key)}) for alias, key in zip(ALIASES, keys, strict=False)]  # fmt: skip
        inline = {"UserName": "alice", "PolicyName": f"{self.own}Inline", "PolicyDocument": allow}
        steps += [("PutUserPolicy", inline), ("CreateRole", {"RoleName": "ops", "AssumeRolePolicyDocument": self._trust(False)})]  # fmt: skip
        yield from ((self.account, *step) for step in steps if self.chance.random() < likely)

    def naming(self, account: str, number: int) -> Iterator[Step]:
        """A key policy and grants that name principals of another account."""
        key, names, own = key_id(number), principals_of(account), self._own()
        policy = _document(
            own, own | {"Sid": "abroad", "Principal": {"AWS": names}, "Action": ["kms:Encrypt", "kms:Decrypt"]}
        )
        yield self.account, "PutKeyPolicy", {"KeyId": key, "Policy": policy}
        for name in names:
            yield self.account, "CreateGrant", {"KeyId": key, "GranteePrincipal": name, "Operations": ["Decrypt"]}

    def _principal(self, abroad: bool) -> str:
        return self.chance.choice(principals_of(self.chance.choice((A, B, C)) if abroad else self.account))

    def _policy(self, abroad: bool) -> str:
        return self.chance.choice(policies_of(self.chance.choice((A, B, C)) if abroad else self.account))

    def _identity_policy(self) -> str:
        actions = [self.chance.choice((*ACTIONS, "sts:AssumeRole", "iam:*"))]
        some = {"Sid": f"{self.own}Sid", "Effect": self.chance.choice(("Allow", "Allow", "Deny")), "Action": actions, "Resource": "*"}  # fmt: skip
        return _document(some | self.chance.choice(CONDITIONS))

    def _own(self) -> dict[str, Any]:
        return {"Sid": "own", "Effect": "Allow", "Principal": {"AWS": self.account}, "Action": "kms:*", "Resource": "*"}

    def _key_policy(self, abroad: bool) -> str:
        more = {
            "Sid": f"{self.own}Sid",
            "Effect": self.chance.choice(("Allow", "Allow", "Allow", "Deny")),
            "Principal": {"AWS": self._principal(abroad)},
            "Action": self.chance.choice(ACTIONS),
            "Resource": "*",
        }
        if more["Effect"] == "Deny" and more["Action"] == "kms:*":
            more["Action"] = "kms:Encrypt"
        return _document(self._own(), more | self.chance.choice(CONDITIONS))

    def _trust(self, abroad: bool) -> str:
        return _document({"Effect": "Allow", "Principal": {"AWS": self._principal(abroad)}, "Action": "sts:AssumeRole"})


class Trail:
    """The log and its rows, made by one script of steps."""

    def __init__(self) -> None:
        self.deciding = WriterStep(Fold(), "w")
        self.judge = Judge("the-log", region=REGION)
        self.entries: list[Entry] = []
        self.alerts: list[dict[str, Any]] = []
        self._keys = {account: iter((*numbers, *range(numbers[0] + 100, numbers[0] + 190))) for account, numbers in KEYS.items()}  # fmt: skip
        self._take(self.deciding.record(NOW, 0, None, None, LogCreated("the-log", REGION)).value)
        for account in (B, A, C):
            self._take(self.deciding.record(NOW, 0, None, None, AccountCreated(account, ROOT_KEYS[account])).value)

    @property
    def world(self) -> World:
        return self.deciding.fold.world

    def do(self, step: Step, number: int) -> dict[str, Any]:
        """The record's document. `number` identifies the step: ids follow from it."""
        account, operation, parameters = step
        call = Call(f"call-{number}", ROOT_KEYS[account], root_arn(account), account, "127.0.0.1", "agent", operation, parameters)  # fmt: skip
        made = {
            "id": f"{'AROA' if 'Role' in operation else 'ANPA' if 'CreatePolicy' in operation else 'AIDA'}{number:016d}"
        }
        made |= {"access_key": f"AKIA{number:016d}", "grant": f"{number:064x}"}
        if operation == "CreateKey":
            key = key_id(next(self._keys[account]))
            made |= {"key": key, "material": f"{number:064x}", "fingerprint": f"{number:064x}", "public_key": ""}
        now = NOW + number * SECOND
        done = self.deciding.answer(number, encode(Command(call, made, now + SECOND)), now)
        assert done is not None
        document = self._take(done.value)
        if done.event is not None and self.judge.asks(done.event):
            change = Change(
                done.event, self._before(), now, self.entries[-1].offset,
                caller=call.principal, account=account, operation=operation,
            )  # fmt: skip
            self.alerts += [each.document() for each in self.judge.of_change(change, {}) if each.finding.account == B]
        return document

    def use(self, caller: Caller, key: Key, operation: str, number: int, place: str) -> None:
        """A call on a key, decided and recorded as by an API worker. `place`: its source and its credential."""
        parameters = {"KeyId": key.arn, "EncryptionContext": CONTEXT}
        asking, verdict = _asked(self.world, caller, key, operation)
        decision = (
            allowed(asking, [verdict]) if verdict.allowed else refused(refusal_of(asking, verdict), asking, [verdict])
        )
        call = Call(
            f"use-{number}", f"AKIA{place}", caller.principal, caller.account, place, place, operation, parameters
        )
        at = datetime.fromtimestamp((NOW + number * SECOND) / 1e6, UTC)
        document = {"v": 1, "log": "the-log", "seen": self.world.position, "at": at.isoformat()}
        document |= {"call": call.document(), "decision": decision.document()}
        offset = sum(each.topic == DECISIONS for each in self.entries)
        self.entries.append(Entry(DECISIONS, 0, offset, at, REGION, orjson.loads(orjson.dumps(document)), None))

    def _before(self) -> World:
        """The state before the last step, folded again, since the writer's own is updated in place."""
        world = World()
        for entry in self.entries[:-1]:
            world.fold(entry.offset, record_from(entry.document))
        return world

    def _take(self, value: bytes) -> dict[str, Any]:
        document = orjson.loads(value)
        event = event_from(document["event"]) if document.get("event") else None
        at = datetime.fromisoformat(document["at"]).astimezone(UTC)
        self.entries.append(Entry(EVENTS, 0, len(self.entries), at, REGION, document, event))
        return cast(dict[str, Any], document)

    def told_calls(self, account: str) -> list[Any]:
        """Every row of the decisions that the account may read, as the account sees it."""
        cases = decisions.Cases()
        found: list[Any] = []
        for entry in self.entries:
            row = dict(zip(decisions.COLUMNS, decisions.row(entry, cases), strict=True))
            if account not in row["owners"]:
                continue
            case = orjson.loads(cases.rows[row["case_id"]][-1]) if row["case_id"] else {}
            for name, empty in (
                ("reasons", []),
                ("resources", []),
                ("materials", None),
                ("inputs", {}),
                ("session", None),
            ):
                row[name] = orjson.dumps(case.get(name, empty)).decode()
            told = Audience(account)
            found.append(told.call(call_of(row)))
            if case:  # as recheck and drafts show it
                who, own = told.case(case)
                found.append((who, case["reasons"] if own else told.reasons(case["reasons"])))
            if any(account_in(each) == account for each in case.get("resources", ())):  # as histories show changes
                found.append(told.change(row | case, OF_THE_CHANGE))
        return found


# -- what Postgres would answer ---------------------------------------------------------------------------------------


class Rows:
    """The history now, through the queries of `projections.history`."""

    def __init__(self, world: World) -> None:
        self._world = world
        at = datetime.fromtimestamp(world.at / 1e6, UTC)
        self._rows = [
            {
                "kind": kind,
                "id": id,
                "account": account,
                "about": about,
                "arn": arn,
                "position": 0,
                "at": at,
                "text": text,
            }
            | {"document": orjson.dumps(document).decode()}
            for kind, id, account, about, arn, document, text in _aggregates(world)
        ]

    def get_max_size(self) -> int:
        return 8

    async def fetchval(self, query: str, *given: Any) -> Any:
        return self._world.position if "positions" in query else datetime.fromtimestamp(self._world.at / 1e6, UTC)

    async def fetchrow(self, query: str, *given: Any) -> Any:
        rows = await self.fetch(query, *given)
        return rows[0] if rows else None

    async def fetch(self, query: str, *given: Any) -> list[Any]:
        if query == OWN.sql(history.KEYS_AFTER):
            _, after, limit, like = given
            found = [row for row in self._rows if row["kind"] == "key" and row["id"] > after]
            found = [row for row in found if like in ("%", row["account"])]
            return sorted(found, key=lambda row: str(row["id"]))[:limit]
        asked = ASKED[query]
        return [row for row in self._rows if asked(row, *given[1:])]


ASKED: dict[str, Any] = {
    OWN.sql(history.ONE): lambda row, kind, id: (row["kind"], row["id"]) == (kind, id),
    OWN.sql(history.ABOUT): lambda row, about: row["about"] in about,
    OWN.sql(history.OF_ACCOUNTS): lambda row, accounts, kinds: row["account"] in accounts and row["kind"] in kinds,
    OWN.sql(history.BY_ARN): lambda row, arn: row["arn"] == arn,
    OWN.sql(history.BY_ARNS): lambda row, arns: row["arn"] in arns,
    OWN.sql(history.NAMED): lambda row, kind, names: row["kind"] == kind and row["id"] in names,
}


def _aggregates(world: World) -> Iterator[tuple[Any, ...]]:
    for key in world.keys.values():
        yield "key", key.id, key.account, None, None, documents.key_document(key), key.policy_text
    for alias in world.aliases.values():
        yield "alias", alias.arn, alias.account, alias.key, None, documents.alias_document(alias), None
    for grants in world.grants.values():
        for grant in grants.values():
            document = documents.grant_document(grant)
            yield "grant", grant.id, world.keys[grant.key].account, grant.key, None, document, None
    for account in world.accounts.values():
        yield "account", account.id, account.id, None, None, documents.account_document(account), None
    for identity in world.directory.identities.values():
        document = documents.identity_document(identity)
        yield "identity", identity.id, identity.account, None, identity.arn, document, None
    for policy in world.directory.policies.values():
        yield "policy", policy.id, policy.account, None, policy.arn, documents.policy_document(policy), None


# -- what an account asks ---------------------------------------------------------------------------------------------


LOOP = asyncio.new_event_loop()


def done(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    return LOOP.run_until_complete(work)


async def _no_logins(users: object) -> dict[str, int]:
    return {}


class Asking:
    """Every question about a state that the root and the users of an account can ask."""

    def __init__(self, world: World, account: str) -> None:
        self.world, self.account, self.audience = world, account, Audience(account)
        present = SimpleNamespace(world=world, position=world.position, barrier=_nothing, log=world.log)
        settings: Any = SimpleNamespace(region=REGION, account_id="000000000000", org_id="")
        clock: Any = SimpleNamespace(now=lambda: world.at)
        nobody: Any = None
        self._audit = context_of(
            settings,
            cast(Any, present),
            cast(Any, Rows(world)),
            clock,
            nobody,
            nobody,
            nobody,
            nobody,
            nobody,
            nobody,
            nobody,
            nobody,
            nobody,
            nobody,
            routes.ACTIONS,
            lambda: False,
        )
        never = SimpleNamespace(last_logins=_no_logins)
        self._ports = OperationPorts(cast(Any, None), cast(Any, never), cast(Any, None))

    def callers(self) -> list[Caller]:
        names = [name for name in principals_of(self.account) if name != iam_arn(self.account, ROLE, "/", "ops")]
        return [caller for name in names if (caller := self._caller(name)) is not None]

    def _caller(self, name: str) -> Caller | None:
        try:
            return caller_for(self.world, name)
        except Refusal:
            return None

    # -- the audit API

    def route(self, operation: str, path: Mapping[str, str], body: bytes = b"", **query: str) -> Any:
        """(status, answer) of a route's endpoint."""
        url, nobody = SimpleNamespace(scheme="http"), cast(Any, None)
        http: Any = SimpleNamespace(path_params=path, query_params=query, client=None, headers={}, url=url)
        request = AuditRequest(http, self.callers()[0], nobody, body, operation, "", "call")
        try:
            told = done(ENDPOINTS[operation](self._audit, request))
        except WireError as fault:
            return fault.status, fault.code, fault.message
        except Refusal as fault:
            return 403, fault.kind, fault.message
        assert isinstance(told, Told)
        return 200, told.value

    def routes(self) -> Iterator[tuple[str, Any]]:
        yield "status", self.route("status", {})
        keys = [key_arn(REGION, account, key_id(number)) for account in (A, B) for number in KEYS[account]]
        keys += [alias_arn(REGION, A, name) for name in ALIASES]
        for key in keys:
            yield f"as-of {key}", self.route("key_as_of", {"reference": key})
            for action in ("kms:Decrypt", "kms:Encrypt"):
                yield f"who-can {action} {key}", self.route("who_can", {"reference": key}, action=action)
        for principal in (*principals_of(A), *principals_of(B)):
            yield f"can-what {principal}", self.route("can_what", {"principal": principal})
            yield f"as-of {principal}", self.route("principal_as_of", {"principal": principal})
            for key in keys:
                for conditions in ({}, {"aws:PrincipalTag/team": "x", "aws:ResourceTag/team": "x"}):
                    body = {"principal": principal, "operation": "Encrypt", "key": key, "conditions": conditions}
                    yield f"explain {body}", self.route("explain", {}, orjson.dumps(body))

    # -- calls

    def calls(self) -> Iterator[tuple[str, Any]]:
        for caller in self.callers():
            for operation, parameters in self.requests():
                yield f"{caller.principal} {operation} {parameters}", self.call(caller, operation, parameters)

    def call(self, caller: Caller, operation: str, parameters: dict[str, Any]) -> Any:
        row = BY_NAME[operation]
        asking = caller.asking(request_context(_origin(self.world), operation, parameters), {})
        request = Request(operation, parameters, asking, self.world.at)
        if isinstance(row, Changing):
            made = {
                "id": "AIDAPROBE00000000001",
                "grant": "f" * 64,
                "access_key": "AKIAPROBE",
                **parameters.pop("made", {}),
            }
            outcome = decide(row.command(parameters, made), asking, self.world)
            error = outcome.decision.error
            return "allowed" if error is None else (error["kind"], error["message"])
        try:
            if isinstance(row, Using | Recalling | Researching):
                return plain(done(carry_out(row, request, self.world, self._ports, [])))
            for verdict in row.access(request, self.world):
                if not verdict.allowed:
                    raise refusal_of(asking, verdict)
            return "allowed" if isinstance(row, Issuing) else plain(row.run(request, self.world))
        except Refusal as fault:
            return fault.kind, fault.message
        except AttributeError:  # the key's material, which does not exist here: the call was let through
            return "allowed"

    def requests(self) -> Iterator[tuple[str, dict[str, Any]]]:
        own = key_id(KEYS[B][0])
        sealed = [symmetric.encrypt(b"0" * 32, key_id(number), "ab" * 32, b"x", {}) for number in KEYS[A]]
        foreign = [key_arn(REGION, A, key_id(number)) for number in KEYS[A]]
        aliases = [alias_arn(REGION, A, name) for name in ALIASES]
        for key in (*foreign, *aliases):
            for operation in ("Encrypt", "GenerateDataKey"):
                yield operation, {"KeyId": key, "Plaintext": b"x", "KeySpec": "AES_256"}
            for blob in sealed:
                yield "Decrypt", {"KeyId": key, "CiphertextBlob": blob}
                yield "ReEncrypt", {"SourceKeyId": key, "CiphertextBlob": blob, "DestinationKeyId": own}
            yield "DescribeKey", {"KeyId": key}
            yield "GetPublicKey", {"KeyId": key}
        for blob, number in zip(sealed, KEYS[A], strict=True):
            yield "Decrypt", {"CiphertextBlob": blob, "KeyId": key_id(number)}
            yield "Decrypt", {"CiphertextBlob": blob}
            yield "ReEncrypt", {"CiphertextBlob": blob, "DestinationKeyId": own}
        for key in foreign:
            for operation in (
                "GetKeyPolicy",
                "ListGrants",
                "ListAliases",
                "ListResourceTags",
                "GetKeyRotationStatus",
                "GetKeyLastUsage",
            ):
                yield operation, {"KeyId": key}
            for operation in ("DisableKey", "ScheduleKeyDeletion", "EnableKeyRotation"):
                yield operation, {"KeyId": key}
            yield "PutKeyPolicy", {"KeyId": key, "Policy": "{}"}
            yield "TagResource", {"KeyId": key, "Tags": []}
            yield "CreateAlias", {"AliasName": "alias/probe", "TargetKeyId": key}
            yield "CreateGrant", {"KeyId": key, "GranteePrincipal": root_arn(B), "Operations": ["Encrypt"]}
            for number in (1, 3, 5, 7, 9, 11, 101, 102, 103, 104):
                yield "RevokeGrant", {"KeyId": key, "GrantId": f"{number:064x}"}
                yield "RetireGrant", {"made": {"key": key, "grant": f"{number:064x}"}}
        for principal in principals_of(A):
            yield "CreateGrant", {"KeyId": own, "GranteePrincipal": principal, "Operations": ["Encrypt"]}
            trusting = _document({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"})
            yield "CreateRole", {"RoleName": "probe", "AssumeRolePolicyDocument": trusting}
            yield "ListRetirableGrants", {"RetiringPrincipal": principal}
            yield "AssumeRole", {"RoleArn": principal, "RoleSessionName": "s"}
        for policy in (*policies_of(A), *policies_of(B)):
            yield "CreateUser", {"UserName": "probe", "PermissionsBoundary": policy}
            yield "AttachUserPolicy", {"UserName": "alice", "PolicyArn": policy}
            yield "PutUserPermissionsBoundary", {"UserName": "alice", "PermissionsBoundary": policy}
            for operation in (
                "GetPolicy",
                "ListPolicyVersions",
                "ListEntitiesForPolicy",
                "ListPolicyTags",
                "DeletePolicy",
            ):
                yield operation, {"PolicyArn": policy}
        for operation in ("ListAliases", "ListKeys", "ListUsers", "ListRoles", "ListPolicies"):
            yield operation, {}
        yield "GetRole", {"RoleName": "ops"}
        for number in KEYS[B]:
            for operation in ("GetKeyPolicy", "ListGrants", "DescribeKey"):
                yield operation, {"KeyId": key_id(number)}

    # -- who calls whom

    def admitted(self, key: Key, operation: str) -> Iterator[tuple[Caller, Any]]:
        """Each principal of the account, with what the key's own account may know of its call: whether it is let
        through, and which of the key's statements and grants allow it."""
        for caller in self.callers():
            _, verdict = _asked(self.world, caller, key, operation)
            by = [verdict.document().get(name) for name in ("by", "delegation")]
            yield (
                caller,
                (verdict.allowed, [each for each in by if each is not None and each["kind"] in OF_THE_RESOURCE]),
            )

    # -- what is the other account's to decide

    def decided_by_them(self) -> Any:
        """Which calls of this account the other's resources let through, and what the account then sees of them."""
        return sorted(
            (caller.principal, action, arn, pairs, shown)
            for caller in self.callers()
            for arn, resource, shown in self._theirs()
            for action in ASKED_OF_THEM
            for pairs in ((), (("app", "x"),))
            if may(_with(caller, pairs), action, resource, None, dict(pairs)).allowed
        )

    def _theirs(self) -> Iterator[tuple[str, Any, str]]:
        for number in (*KEYS[A], *range(KEYS[A][0] + 100, KEYS[A][0] + 190)):
            key = self.world.keys.get(key_id(number))
            if key is not None:
                yield key.arn, self.world.resource(key), self._shown(key)
        for name in ALIASES:
            alias = self.world.aliases.get((A, name))
            if alias is not None:
                key = self.world.keys[alias.key]
                yield alias.arn, self.world.resource(key), self._shown(key)
        for name in ROLES:
            arn = iam_arn(A, ROLE, "/", name)
            yield arn, role_resource(arn, self.world), ""

    def _shown(self, key: Key) -> str:
        """What a call that is let through can reveal of a key."""
        grants = self.world.grants.get(key.id, {}).values()
        return repr((documents.key_document(key), [documents.grant_document(grant) for grant in grants]))


ASKED_OF_THEM = (
    *("kms:Encrypt", "kms:Decrypt", "kms:DescribeKey", "kms:CreateGrant", "kms:ListGrants", "kms:RetireGrant"),
    *("kms:ReEncryptFrom", "kms:GetPublicKey", "sts:AssumeRole"),
)
"""What policies of these states can depend on."""


def _with(caller: Caller, pairs: Sequence[tuple[str, str]]) -> Caller:
    return caller.asking({f"kms:encryptioncontext:{name}": (value,) for name, value in pairs}, dict(pairs))


CONTEXT = {"app": "x"}
ENDPOINTS: dict[str, Any] = {route.operation_id: route.endpoint for route in routes.ROUTES}


def _asked(world: World, caller: Caller, key: Key, operation: str) -> tuple[Caller, Verdict]:
    """A call with an encryption context: the caller with the request, and the verdict."""
    asking = _with(caller, tuple(CONTEXT.items()))
    return asking, may(asking, f"kms:{operation}", world.resource(key), None, CONTEXT)


def _origin(world: World) -> RequestOrigin:
    return RequestOrigin("127.0.0.1", "agent", False, world.at, REGION, "", None)


async def _nothing() -> None:
    return None


def plain(value: Any) -> Any:
    """An answer as JSON."""
    return json.loads(json.dumps(value, sort_keys=True, default=repr))
