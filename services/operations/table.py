"""OPERATIONS: every operation of KMS that is built, by its name in the API. The model's others answer UnsupportedOperation.

`cross_account` is what the service model's documentation says of each ("Cross-account use").
"""

from __future__ import annotations

from services.operations import aliases, encryption, grants, keys, policies, signing
from services.operations.identity_table import IAM, STS
from services.operations.rows import Changing, Reading, Row, Using, in_own_account

OPERATIONS: dict[str, Row] = {
    "CreateKey": Changing(keys.create_key, keys.key_created, keys.prepare_create_key),
    "EnableKey": Changing(keys.enable_key),
    "DisableKey": Changing(keys.disable_key),
    "UpdateKeyDescription": Changing(keys.update_key_description),
    "PutKeyPolicy": Changing(policies.put_key_policy),
    "CreateAlias": Changing(aliases.create_alias),
    "UpdateAlias": Changing(aliases.update_alias),
    "DeleteAlias": Changing(aliases.delete_alias),
    "CreateGrant": Changing(grants.create_grant, grants.granted, grants.prepare, grants.issue),
    "RetireGrant": Changing(grants.retire_grant, prepare=grants.prepare_to_retire),
    "RevokeGrant": Changing(grants.revoke_grant),
    "DescribeKey": Using(keys.describe_targets, keys.describe_key, cross_account=True),
    "GetKeyRotationStatus": Using(keys.rotation_targets, keys.get_key_rotation_status, cross_account=True),
    "ListResourceTags": Using(keys.tags_targets, keys.list_resource_tags),
    "GetPublicKey": Using(keys.public_key_targets, keys.get_public_key, cross_account=True),
    "GetKeyPolicy": Using(policies.get_targets, policies.get_key_policy),
    "ListKeyPolicies": Using(policies.list_targets, policies.list_key_policies),
    "Encrypt": Using(encryption.encrypt_targets, encryption.encrypt, cross_account=True),
    "Decrypt": Using(encryption.decrypt_targets, encryption.decrypt, cross_account=True),
    "ReEncrypt": Using(encryption.re_encrypt_targets, encryption.re_encrypt, cross_account=True),
    "GenerateDataKey": Using(encryption.data_key_targets, encryption.generate_data_key, cross_account=True),
    "GenerateDataKeyWithoutPlaintext": Using(
        encryption.data_key_without_plaintext_targets,
        encryption.generate_data_key_without_plaintext,
        cross_account=True,
    ),
    "Sign": Using(signing.sign_targets, signing.sign, cross_account=True),
    "Verify": Using(signing.verify_targets, signing.verify, cross_account=True),
    "ListGrants": Using(grants.list_targets, grants.list_grants, cross_account=True),
    "ListRetirableGrants": Reading(grants.asks_retirable, grants.list_retirable),
    "ListKeys": Reading(in_own_account("kms:ListKeys"), keys.list_keys),
    "ListAliases": Reading(in_own_account("kms:ListAliases"), aliases.list_aliases),
    "GenerateRandom": Reading(in_own_account("kms:GenerateRandom"), encryption.generate_random),
}

SERVICES: dict[str, dict[str, Row]] = {"kms": OPERATIONS, "iam": IAM, "sts": STS}
"""By the service in the signature's scope. Operation names are unique over all three: a record names the operation."""
BY_NAME: dict[str, Row] = {name: row for table in SERVICES.values() for name, row in table.items()}
CROSS_ACCOUNT = frozenset(
    {"CreateGrant", "RetireGrant", "RevokeGrant", "ReEncryptFrom", "ReEncryptTo"}
    | {name for name, row in OPERATIONS.items() if isinstance(row, Using) and row.cross_account}
)
"""Operations (and ReEncrypt's two permissions) that can be called on a key of another account (policy rule 27)."""
