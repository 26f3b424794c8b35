"""IAM's answers about a whole account: everything that it has, how much of each kind, and the kinds that Keytrail never
has.

Source: IAM API reference, GetAccountAuthorizationDetails, GetAccountSummary, and the List operations for credentials
and providers that Keytrail does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from domain.errors import NoSuchEntity
from domain.identities import limits
from domain.identities.account import ACTIVE
from domain.identities.holders import holders
from domain.identities.identity import GROUP, POLICY, PROFILE, ROLE, USER, Identity, ManagedPolicy
from domain.identities.mfa_devices import MFA
from domain.identities.published import AWS
from domain.state.world import World
from services.operations import iam_descriptions
from services.operations.iam_lists import MOST_CHARACTERS, characters, policies_of
from services.operations.markers import after_marker, marker_after
from services.operations.rows import Answer, Request

USUAL = 100
MOST_OF_PROFILES = 100_000
"""The most characters of trust policies in the profiles of one role, which may have a thousand."""
FILTERS = {
    USER: "User",
    GROUP: "Group",
    ROLE: "Role",
    POLICY: "LocalManagedPolicy",
}
LISTS = {USER: "UserDetailList", GROUP: "GroupDetailList", ROLE: "RoleDetailList", POLICY: "Policies"}
OverviewEntry = tuple[str, str, Answer]
"""(name to page by, the list that the item belongs to, the item)"""


def authorization_details(request: Request, world: World) -> Answer:
    """Users, groups, roles and policies, in this order and each complete, page by page."""
    wanted = request.get("Filter") or [*FILTERS.values(), "AWSManagedPolicy"]
    after, limit = after_marker(request), request.get("MaxItems", USUAL)
    answer: Answer = {name: [] for name in LISTS.values()}
    answer["IsTruncated"] = False
    last, count, size = "", 0, 0
    for name, member, item in _entries(request, world, wanted, after):
        if count == limit or size > MOST_CHARACTERS:
            return answer | {"IsTruncated": True, "Marker": marker_after(request, last)}
        answer[member].append(item)
        last, count = name, count + 1
        size += characters(item)
    return answer


def _entries(request: Request, world: World, wanted: Sequence[str], after: str) -> Iterator[OverviewEntry]:
    account, directory = request.caller.account, world.directory
    for place, kind in enumerate((USER, GROUP, ROLE)):
        prefix = f"{place}/"
        if FILTERS[kind] not in wanted or (after and after[:2] > prefix):
            continue
        for name in directory.page(kind, account, after[2:] if after.startswith(prefix) else "", "/"):
            identity = directory.identities[directory.ids[kind, account, name]]
            yield prefix + name, LISTS[kind], _identity(identity, world)
    local, aws = FILTERS[POLICY] in wanted, "AWSManagedPolicy" in wanted
    if local or aws:
        for name, policy in policies_of(account, world, "All", after[2:] if after.startswith("3/") else "", "/"):
            # Of AWS's policies, only those in use here (IAM user guide, the example of the operation).
            if local if policy.account != AWS else aws and holders(directory, policy, account):
                yield f"3/{name}", LISTS[POLICY], _policy(policy, world, account)


def _identity(identity: Identity, world: World) -> Answer:
    noun = identity.kind.capitalize()
    shown = iam_descriptions.full(identity, world)
    for member in ("MaxSessionDuration", "Description"):
        shown.pop(member, None)
    shown[f"{noun}PolicyList"] = [
        {"PolicyName": name, "PolicyDocument": iam_descriptions.encoded(held.document)}
        for name, held in sorted(identity.inline.items())
    ]
    managed = [policy for arn in sorted(identity.attached) if (policy := world.directory.managed(arn)) is not None]
    shown["AttachedManagedPolicies"] = [{"PolicyName": each.name, "PolicyArn": each.arn} for each in managed]
    if identity.kind == USER:
        shown["GroupList"] = sorted(world.directory.identities[group].name for group in identity.groups)
    if identity.kind == ROLE:
        profiles = [world.directory.profiles[each] for each in world.directory.profiles_of.get(identity.id, ())]
        # Each shows the role once more. If there are many, or its trust policy is long, that policy stands beside them alone.
        trust = len(profiles) * len(shown["AssumeRolePolicyDocument"]) <= MOST_OF_PROFILES
        shown["InstanceProfileList"] = [iam_descriptions.profile(each, world, trust=trust) for each in profiles]
    return shown


def _policy(policy: ManagedPolicy, world: World, account: str) -> Answer:
    shown = iam_descriptions.policy_in_full(policy, world, account)
    shown.pop("Tags", None)
    versions = sorted(policy.versions, key=lambda name: -int(name.removeprefix("v")))
    return shown | {"PolicyVersionList": [iam_descriptions.version(policy, name, document=True) for name in versions]}


def account_summary(request: Request, world: World) -> Answer:
    """How many things of each kind there are, and the quotas. Kinds of credentials that Keytrail does not have count 0."""
    account, directory = request.caller.account, world.directory
    listed = {kind: len(directory.listed.get((kind, account), ())) for kind in (USER, GROUP, ROLE, POLICY)}
    held = world.accounts[account].access_keys
    policies = [directory.policies[directory.policy_arns[each]] for each in _ids(POLICY, account, world)]
    devices = [directory.mfa.by_serial[serial] for serial in _ids(MFA, account, world)]
    none = ("ServerCertificates", "AccountMFAEnabled", "AccountPasswordPresent")
    return {
        "SummaryMap": {
            "Users": listed[USER],
            "Groups": listed[GROUP],
            "Roles": listed[ROLE],
            "Policies": listed[POLICY],
            "InstanceProfiles": len(directory.listed.get((PROFILE, account), ())),
            "Providers": sum(each.account == account for each in directory.oidc.values()),
            "PolicyVersionsInUse": sum(len(each.versions) for each in policies),
            "AccountAccessKeysPresent": int(ACTIVE in held.values()),
            "AccountSigningCertificatesPresent": 0,
            **dict.fromkeys(none, 0),
            "MFADevices": len(devices),
            "MFADevicesInUse": sum(bool(each.user) for each in devices),
            "UserPolicySizeQuota": limits.INLINE[USER],
            "GroupPolicySizeQuota": limits.INLINE[GROUP],
            "RolePolicySizeQuota": limits.INLINE[ROLE],
            "AssumeRolePolicySizeQuota": limits.TRUST,
            "PolicySizeQuota": limits.MANAGED,
            "GroupsPerUserQuota": limits.GROUPS_OF_USER,
            "AccessKeysPerUserQuota": limits.ACCESS_KEYS,
            "AttachedPoliciesPerUserQuota": limits.ATTACHED[USER],
            "AttachedPoliciesPerGroupQuota": limits.ATTACHED[GROUP],
            "AttachedPoliciesPerRoleQuota": limits.ATTACHED[ROLE],
            "VersionsPerPolicyQuota": limits.VERSIONS,
            "GlobalEndpointTokenVersion": 2,
        }
    }


def _ids(kind: str, account: str, world: World) -> Iterator[str]:
    names = world.directory.listed.get((kind, account), ())
    return (world.directory.ids[kind, account, name] for name in names)


def nothing_of(what: str) -> Callable[[Request, World], Answer]:
    """The answer about one thing of a kind that Keytrail does not have."""

    def run(request: Request, world: World) -> Answer:
        raise NoSuchEntity(f"There is no {what} here.")

    return run
