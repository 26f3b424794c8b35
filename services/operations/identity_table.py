"""IAM and STS: every operation that Keytrail has, by its name in the API."""

from __future__ import annotations

from domain.identities.identity import GROUP, POLICY, PROFILE, ROLE, USER
from domain.identities.mfa_devices import MFA
from domain.identities.oidc_providers import OIDC
from services.operations import credential_report, iam, iam_history, iam_simulation, iam_users, sts
from services.operations import iam_lists as reading
from services.operations import iam_logins as logins
from services.operations import iam_mfa as mfa
from services.operations import iam_oidc as oidc
from services.operations import iam_overview as overview
from services.operations import iam_passwords as passwords
from services.operations import iam_profiles as profiles
from services.operations import service_linked_roles as linked
from services.operations.rows import Changing, Issuing, OperationRow, Reading, Researching, in_own_account


def _of_each(kind: str) -> dict[str, OperationRow]:
    """The operations that users, groups and roles share."""
    noun = kind.capitalize()
    return {
        f"Delete{noun}": Changing(iam.delete(kind)),
        f"Put{noun}Policy": Changing(iam.put_inline(kind)),
        f"Delete{noun}Policy": Changing(iam.delete_inline(kind)),
        f"Get{noun}Policy": Reading(reading.access_on("Get{}Policy", kind), reading.get_inline(kind)),
        f"List{noun}Policies": Reading(reading.access_on("List{}Policies", kind), reading.list_inline(kind)),
        f"Attach{noun}Policy": Changing(iam.attach(kind)),
        f"Detach{noun}Policy": Changing(iam.detach(kind)),
        f"ListAttached{noun}Policies": Reading(
            reading.access_on("ListAttached{}Policies", kind), reading.list_attached(kind)
        ),
    }


def _with_boundary(kind: str) -> dict[str, OperationRow]:
    """The operations that users and roles share; groups do not have them."""
    noun = kind.capitalize()
    return {
        f"Put{noun}PermissionsBoundary": Changing(iam.set_boundary(kind)),
        f"Delete{noun}PermissionsBoundary": Changing(iam.remove_boundary(kind)),
        f"Tag{noun}": Changing(iam.tag(kind)),
        f"Untag{noun}": Changing(iam.untag(kind)),
        f"List{noun}Tags": Reading(reading.access_on("List{}Tags", kind), reading.list_tags(kind)),
    }


def _none_of(operation: str, member: str) -> dict[str, OperationRow]:
    """Lists of a user's other credentials, which are always empty."""
    return {operation: Reading(reading.access_on_self(operation), reading.empty(member))}


def _none_here(operation: str, member: str) -> dict[str, OperationRow]:
    """Lists of an account's providers, certificates and devices, which are always empty. Scanners ask for each of them."""
    return {operation: Reading(in_own_account(f"iam:{operation}"), reading.empty(member))}


def _no_such(operation: str, what: str) -> dict[str, OperationRow]:
    return {operation: Reading(in_own_account(f"iam:{operation}"), overview.nothing_of(what))}


IAM: dict[str, OperationRow] = {
    "CreateUser": Changing(iam.create_user, answer=iam.created(USER), prepare=iam.unique(USER)),
    "GetUser": Researching(iam_users.access_to_get, iam_users.get),
    "ListUsers": Researching(reading.access_anywhere("iam:ListUsers", USER), iam_users.list_all),
    "UpdateUser": Changing(iam.move(USER)),
    "CreateGroup": Changing(iam.create_group, answer=iam.created(GROUP), prepare=iam.unique(GROUP)),
    "ListGroups": Reading(reading.access_anywhere("iam:ListGroups", GROUP), reading.list_identities(GROUP)),
    "GetGroup": Reading(reading.access_on("GetGroup", GROUP), reading.get_group),
    "UpdateGroup": Changing(iam.move(GROUP)),
    "AddUserToGroup": Changing(iam.add_member),
    "RemoveUserFromGroup": Changing(iam.remove_member),
    "ListGroupsForUser": Reading(reading.access_on("ListGroupsForUser", USER), reading.list_groups_of),
    "CreateRole": Changing(iam.create_role, answer=iam.created(ROLE), prepare=iam.unique(ROLE)),
    "ListRoles": Reading(reading.access_anywhere("iam:ListRoles", ROLE), reading.list_identities(ROLE)),
    "GetRole": Reading(reading.access_on("GetRole", ROLE), reading.get_role),
    "UpdateRole": Changing(iam.update_role),
    "UpdateRoleDescription": Changing(iam.describe_role, answer=iam.described),
    "UpdateAssumeRolePolicy": Changing(iam.replace_trust),
    "CreateServiceLinkedRole": Changing(linked.create, answer=iam.created(ROLE), prepare=iam.unique(ROLE)),
    "DeleteServiceLinkedRole": Changing(linked.delete, answer=linked.deleted),
    "GetServiceLinkedRoleDeletionStatus": Reading(linked.access_to_task, linked.deletion_status),
    **_of_each(USER),
    **_of_each(GROUP),
    **_of_each(ROLE),
    **_with_boundary(USER),
    **_with_boundary(ROLE),
    "CreateAccessKey": Changing(
        iam.create_access_key, prepare=iam.prepare_access_key, issue=iam.issue_access_key, costly=True
    ),
    "UpdateAccessKey": Changing(iam.update_access_key),
    "DeleteAccessKey": Changing(iam.delete_access_key),
    "ListAccessKeys": Reading(reading.access_on_self("ListAccessKeys"), reading.list_access_keys),
    "CreatePolicy": Changing(iam.create_policy, answer=iam.policy_created, prepare=iam.unique(POLICY)),
    "GetPolicy": Reading(reading.access_on_policy("iam:GetPolicy"), reading.get_policy),
    "ListPolicies": Reading(reading.access_anywhere("iam:ListPolicies", POLICY), reading.list_policies),
    "DeletePolicy": Changing(iam.delete_policy),
    "CreatePolicyVersion": Changing(iam.create_version, answer=iam.version_created),
    "GetPolicyVersion": Reading(reading.access_on_policy("iam:GetPolicyVersion"), reading.get_version),
    "ListPolicyVersions": Reading(reading.access_on_policy("iam:ListPolicyVersions"), reading.list_versions),
    "SetDefaultPolicyVersion": Changing(iam.set_default_version),
    "DeletePolicyVersion": Changing(iam.delete_version),
    "ListEntitiesForPolicy": Reading(reading.access_on_policy("iam:ListEntitiesForPolicy"), reading.list_entities),
    "TagPolicy": Changing(iam.tag(POLICY)),
    "UntagPolicy": Changing(iam.untag(POLICY)),
    "ListPolicyTags": Reading(reading.access_on_policy("iam:ListPolicyTags"), reading.list_tags(POLICY)),
    "CreateInstanceProfile": Changing(profiles.create, answer=profiles.created, prepare=iam.unique(PROFILE)),
    "DeleteInstanceProfile": Changing(profiles.delete),
    "AddRoleToInstanceProfile": Changing(profiles.add_role),
    "RemoveRoleFromInstanceProfile": Changing(profiles.remove_role),
    "TagInstanceProfile": Changing(iam.tag(PROFILE)),
    "UntagInstanceProfile": Changing(iam.untag(PROFILE)),
    "GetInstanceProfile": Reading(profiles.access_on_profile("iam:GetInstanceProfile"), profiles.get),
    "ListInstanceProfileTags": Reading(profiles.access_on_profile("iam:ListInstanceProfileTags"), profiles.list_tags),
    "ListInstanceProfiles": Reading(reading.access_anywhere("iam:ListInstanceProfiles", PROFILE), profiles.list_all),
    "ListInstanceProfilesForRole": Reading(
        reading.access_on("ListInstanceProfilesForRole", ROLE), profiles.list_for_role
    ),
    "CreateAccountAlias": Changing(profiles.set_alias(deletes=False)),
    "DeleteAccountAlias": Changing(profiles.set_alias(deletes=True)),
    "ListAccountAliases": Reading(in_own_account("iam:ListAccountAliases"), profiles.list_aliases),
    "UpdateAccountPasswordPolicy": Changing(passwords.set_policy),
    "DeleteAccountPasswordPolicy": Changing(passwords.delete_policy),
    "GetAccountPasswordPolicy": Reading(in_own_account("iam:GetAccountPasswordPolicy"), passwords.get_policy),
    "CreateVirtualMFADevice": Changing(
        mfa.create, answer=mfa.created, prepare=mfa.prepare_seed, issue=mfa.issue_seed, costly=True
    ),
    "EnableMFADevice": Changing(mfa.enable, prepare=mfa.prepare_first_codes, costly=True),
    "ResyncMFADevice": Changing(mfa.synchronise, prepare=mfa.prepare_codes, costly=True),
    "DeactivateMFADevice": Changing(mfa.deactivate),
    "DeleteVirtualMFADevice": Changing(mfa.delete),
    "ListMFADevices": Reading(reading.access_on_self("ListMFADevices"), mfa.list_of_user),
    "ListVirtualMFADevices": Reading(in_own_account("iam:ListVirtualMFADevices"), mfa.list_all),
    "GetMFADevice": Reading(reading.access_on_self("GetMFADevice"), mfa.get),
    "TagMFADevice": Changing(iam.tag(MFA)),
    "UntagMFADevice": Changing(iam.untag(MFA)),
    "ListMFADeviceTags": Reading(mfa.access_on_device("iam:ListMFADeviceTags"), mfa.list_tags),
    "CreateLoginProfile": Changing(logins.create, answer=logins.described, prepare=logins.prepare, costly=True),
    "UpdateLoginProfile": Changing(logins.update, prepare=logins.prepare, costly=True),
    "DeleteLoginProfile": Changing(logins.delete),
    "ChangePassword": Changing(logins.change, prepare=logins.prepare_change, costly=True),
    "GetLoginProfile": Reading(reading.access_on_self("GetLoginProfile"), logins.get),
    "CreateOpenIDConnectProvider": Changing(oidc.create, answer=oidc.created),
    "UpdateOpenIDConnectProviderThumbprint": Changing(oidc.set_thumbprints),
    "AddClientIDToOpenIDConnectProvider": Changing(oidc.add_client),
    "RemoveClientIDFromOpenIDConnectProvider": Changing(oidc.remove_client),
    "DeleteOpenIDConnectProvider": Changing(oidc.delete),
    "GetOpenIDConnectProvider": Reading(oidc.access_on_provider("iam:GetOpenIDConnectProvider"), oidc.get),
    "ListOpenIDConnectProviders": Reading(in_own_account("iam:ListOpenIDConnectProviders"), oidc.list_all),
    "TagOpenIDConnectProvider": Changing(iam.tag(OIDC)),
    "UntagOpenIDConnectProvider": Changing(iam.untag(OIDC)),
    "ListOpenIDConnectProviderTags": Reading(
        oidc.access_on_provider("iam:ListOpenIDConnectProviderTags"), oidc.list_tags
    ),
    **_none_of("ListSSHPublicKeys", "SSHPublicKeys"),
    **_none_of("ListSigningCertificates", "Certificates"),
    **_none_of("ListServiceSpecificCredentials", "ServiceSpecificCredentials"),
    **_none_here("ListSAMLProviders", "SAMLProviderList"),
    **_none_here("ListServerCertificates", "ServerCertificateMetadataList"),
    **_none_here("ListOrganizationsFeatures", "EnabledFeatures"),
    **_no_such("GetSAMLProvider", "SAML provider"),
    **_no_such("GetServerCertificate", "server certificate"),
    "GetAccountAuthorizationDetails": Reading(
        in_own_account("iam:GetAccountAuthorizationDetails"), overview.authorization_details
    ),
    "GetAccountSummary": Reading(in_own_account("iam:GetAccountSummary"), overview.account_summary),
    "GetAccessKeyLastUsed": Researching(iam_history.access_to_last_used, iam_history.access_key_last_used),
    "GenerateCredentialReport": Reading(in_own_account("iam:GenerateCredentialReport"), credential_report.report_made),
    "GetCredentialReport": Researching(in_own_account("iam:GetCredentialReport"), credential_report.credential_report),
    "GenerateServiceLastAccessedDetails": Reading(iam_history.access_to_generate, iam_history.generate),
    "GetServiceLastAccessedDetails": Researching(iam_history.access_to_job, iam_history.last_accessed),
    "GetServiceLastAccessedDetailsWithEntities": Researching(iam_history.access_to_job, iam_history.accessed_by),
    "SimulatePrincipalPolicy": Researching(iam_simulation.access_on_source, iam_simulation.simulate_principal),
    "SimulateCustomPolicy": Researching(iam_simulation.access_to_simulate, iam_simulation.simulate_custom),
    "GetContextKeysForPrincipalPolicy": Researching(iam_simulation.access_on_source, iam_simulation.keys_of_principal),
    "GetContextKeysForCustomPolicy": Researching(iam_simulation.access_to_simulate, iam_simulation.keys_of_custom),
}

STS: dict[str, OperationRow] = {
    "GetAccessKeyInfo": Reading(sts.access_to_key_info, sts.get_access_key_info),
    "GetCallerIdentity": Reading(sts.no_access_check, sts.get_caller_identity),
    "AssumeRoleWithWebIdentity": Issuing(sts.access_with_web_identity, sts.assume_role_with_web_identity),
    "AssumeRole": Issuing(sts.access_to_assume, sts.assume_role),
    "GetSessionToken": Issuing(sts.no_access_check, sts.get_session_token),
}
