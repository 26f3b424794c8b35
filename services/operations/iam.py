"""IAM's changing operations: from parameters to commands, and from events to answers.

Operations that users, groups and roles share are written once, for any kind: `PutUserPolicy` and `PutRolePolicy` are
`put_inline(USER)` and `put_inline(ROLE)`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from domain.authorization.context import Parameters
from domain.commands.identity_policies import (
    Attach,
    DeleteInline,
    Detach,
    PutInline,
    RemoveBoundary,
    SetBoundary,
    Tag,
    Untag,
)
from domain.commands.managed_policies import CreatePolicy, CreateVersion, DeletePolicy, DeleteVersion, SetDefaultVersion
from domain.commands.roles import SHORTEST, CreateRole, DescribeRole, ReplaceTrust
from domain.commands.users_and_groups import (
    AddMember,
    CreateAccessKey,
    CreateGroup,
    CreateUser,
    DeleteAccessKey,
    DeleteIdentity,
    MoveIdentity,
    RemoveMember,
    UpdateAccessKey,
)
from domain.identities.identity import POLICY, PROFILE, ROLE
from domain.identities.mfa_devices import MFA
from domain.identities.oidc_providers import OIDC
from services.operations import iam_descriptions
from services.operations.rows import Answer, Issuer, Maker, Preparation, RecordedChange, Request

CommandOfParameters = Callable[[Parameters, Preparation], object]


def named(kind: str) -> str:
    """The parameter that names an identity of this kind."""
    if kind == PROFILE:
        return "InstanceProfileName"
    if kind == MFA:
        return "SerialNumber"
    if kind == OIDC:
        return "OpenIDConnectProviderArn"
    return "PolicyArn" if kind == POLICY else f"{kind.capitalize()}Name"


def unique(kind: str) -> Callable[[Request, Maker], Awaitable[Preparation]]:
    async def prepare(request: Request, maker: Maker) -> Preparation:
        return maker.unique_id(kind)

    return prepare


async def prepare_access_key(request: Request, maker: Maker) -> Preparation:
    return await maker.access_key()


def create_user(parameters: Parameters, made: Preparation) -> CreateUser:
    return CreateUser(
        made["id"],
        parameters["UserName"],
        parameters.get("Path", "/"),
        parameters.get("Tags", []),
        parameters.get("PermissionsBoundary", ""),
    )


def create_group(parameters: Parameters, made: Preparation) -> CreateGroup:
    return CreateGroup(made["id"], parameters["GroupName"], parameters.get("Path", "/"))


def create_role(parameters: Parameters, made: Preparation) -> CreateRole:
    return CreateRole(
        id=made["id"],
        name=parameters["RoleName"],
        path=parameters.get("Path", "/"),
        trust=parameters["AssumeRolePolicyDocument"],
        description=parameters.get("Description", ""),
        max_session=parameters.get("MaxSessionDuration", SHORTEST),
        tags=parameters.get("Tags", []),
        boundary=parameters.get("PermissionsBoundary", ""),
    )


def created(kind: str) -> Callable[[RecordedChange], Answer]:
    """The new identity just after its event."""

    def answer(changed: RecordedChange) -> Answer:
        identity = changed.world.directory.identities.get(changed.event.id)
        if identity is None:  # deleted before a retry asked again
            return {kind.capitalize(): {f"{kind.capitalize()}Name": changed.event.name}}
        return {kind.capitalize(): iam_descriptions.full(identity, changed.world)}

    return answer


def move(kind: str) -> CommandOfParameters:
    def command(parameters: Parameters, made: Preparation) -> MoveIdentity:
        new_name = parameters.get(f"New{kind.capitalize()}Name", "")
        return MoveIdentity(kind, parameters[named(kind)], new_name, parameters.get("NewPath", ""))

    return command


def delete(kind: str) -> CommandOfParameters:
    return lambda parameters, made: DeleteIdentity(kind, parameters[named(kind)])


def add_member(parameters: Parameters, made: Preparation) -> AddMember:
    return AddMember(parameters["GroupName"], parameters["UserName"])


def remove_member(parameters: Parameters, made: Preparation) -> RemoveMember:
    return RemoveMember(parameters["GroupName"], parameters["UserName"])


def create_access_key(parameters: Parameters, made: Preparation) -> CreateAccessKey:
    return CreateAccessKey(parameters.get("UserName", ""), made["access_key"])


async def issue_access_key(changed: RecordedChange, issuer: Issuer) -> Answer:
    """The only answer that ever has the secret. Raises Unavailable."""
    event = changed.event
    user = changed.world.directory.identities.get(event.id)
    return {
        "AccessKey": {
            "UserName": "" if user is None else user.name,
            "AccessKeyId": event.access_key,
            "Status": "Active",
            "SecretAccessKey": await issuer.secret(event.access_key),
            "CreateDate": iam_descriptions.seconds(changed.at),
        }
    }


def update_access_key(parameters: Parameters, made: Preparation) -> UpdateAccessKey:
    return UpdateAccessKey(parameters.get("UserName", ""), parameters["AccessKeyId"], parameters["Status"])


def delete_access_key(parameters: Parameters, made: Preparation) -> DeleteAccessKey:
    return DeleteAccessKey(parameters.get("UserName", ""), parameters["AccessKeyId"])


def update_role(parameters: Parameters, made: Preparation) -> DescribeRole:
    return DescribeRole(
        "UpdateRole", parameters["RoleName"], parameters.get("Description"), parameters.get("MaxSessionDuration")
    )


def describe_role(parameters: Parameters, made: Preparation) -> DescribeRole:
    return DescribeRole("UpdateRoleDescription", parameters["RoleName"], parameters["Description"], None)


def described(changed: RecordedChange) -> Answer:
    """The role. {} if it was deleted before the client's retry came: its event has no name to show."""
    return created(ROLE)(changed) if changed.event.id in changed.world.directory.identities else {}


def replace_trust(parameters: Parameters, made: Preparation) -> ReplaceTrust:
    return ReplaceTrust(parameters["RoleName"], parameters["PolicyDocument"])


def put_inline(kind: str) -> CommandOfParameters:
    return lambda parameters, made: PutInline(
        kind, parameters[named(kind)], parameters["PolicyName"], parameters["PolicyDocument"]
    )


def delete_inline(kind: str) -> CommandOfParameters:
    return lambda parameters, made: DeleteInline(kind, parameters[named(kind)], parameters["PolicyName"])


def attach(kind: str) -> CommandOfParameters:
    return lambda parameters, made: Attach(kind, parameters[named(kind)], parameters["PolicyArn"])


def detach(kind: str) -> CommandOfParameters:
    return lambda parameters, made: Detach(kind, parameters[named(kind)], parameters["PolicyArn"])


def set_boundary(kind: str) -> CommandOfParameters:
    return lambda parameters, made: SetBoundary(kind, parameters[named(kind)], parameters["PermissionsBoundary"])


def remove_boundary(kind: str) -> CommandOfParameters:
    return lambda parameters, made: RemoveBoundary(kind, parameters[named(kind)])


def tag(kind: str) -> CommandOfParameters:
    return lambda parameters, made: Tag(kind, parameters[named(kind)], parameters["Tags"])


def untag(kind: str) -> CommandOfParameters:
    return lambda parameters, made: Untag(kind, parameters[named(kind)], parameters["TagKeys"])


def create_policy(parameters: Parameters, made: Preparation) -> CreatePolicy:
    return CreatePolicy(
        id=made["id"],
        name=parameters["PolicyName"],
        path=parameters.get("Path", "/"),
        description=parameters.get("Description", ""),
        document=parameters["PolicyDocument"],
        tags=parameters.get("Tags", []),
    )


def policy_created(changed: RecordedChange) -> Answer:
    arn = changed.world.directory.policy_arns.get(changed.event.id)
    if arn is None:
        return {"Policy": {"PolicyName": changed.event.name}}
    found = changed.world.directory.policies[arn]
    return {"Policy": iam_descriptions.policy_in_full(found, changed.world, found.account)}


def create_version(parameters: Parameters, made: Preparation) -> CreateVersion:
    return CreateVersion(parameters["PolicyArn"], parameters["PolicyDocument"], parameters.get("SetAsDefault", False))


def version_created(changed: RecordedChange) -> Answer:
    event = changed.event
    return {
        "PolicyVersion": {
            "VersionId": event.version,
            "IsDefaultVersion": event.default,
            "CreateDate": iam_descriptions.seconds(changed.at),
        }
    }


def set_default_version(parameters: Parameters, made: Preparation) -> SetDefaultVersion:
    return SetDefaultVersion(parameters["PolicyArn"], parameters["VersionId"])


def delete_version(parameters: Parameters, made: Preparation) -> DeleteVersion:
    return DeleteVersion(parameters["PolicyArn"], parameters["VersionId"])


def delete_policy(parameters: Parameters, made: Preparation) -> DeletePolicy:
    return DeletePolicy(parameters["PolicyArn"])
