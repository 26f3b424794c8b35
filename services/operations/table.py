"""OPERATIONS: every operation of KMS that is built, by its name in the API. The model's others answer UnsupportedOperation.

`cross_account` is what the service model's documentation says of each ("Cross-account use").
"""

from __future__ import annotations

from services.operations import (
    agreement,
    aliases,
    data_keys,
    encryption,
    grants,
    importing,
    keys,
    policies,
    rotation,
    signing,
)
from services.operations.identity_table import IAM, STS
from services.operations.rows import Changing, Reading, Recalling, Row, Using, in_own_account

OPERATIONS: dict[str, Row] = {
    "CreateKey": Changing(keys.create_key, keys.key_created, keys.prepare_create_key),
    "EnableKey": Changing(keys.enable_key),
    "DisableKey": Changing(keys.disable_key),
    "UpdateKeyDescription": Changing(keys.update_key_description),
    "TagResource": Changing(keys.tag_resource),
    "UntagResource": Changing(keys.untag_resource),
    "EnableKeyRotation": Changing(rotation.enable_key_rotation),
    "DisableKeyRotation": Changing(rotation.disable_key_rotation),
    "RotateKeyOnDemand": Changing(rotation.rotate_key_on_demand, rotation.rotated, rotation.prepare),
    "ImportKeyMaterial": Changing(importing.import_key_material, importing.taken, importing.prepare),
    "DeleteImportedKeyMaterial": Changing(importing.delete_imported_key_material, importing.taken),
    "ScheduleKeyDeletion": Changing(keys.schedule_key_deletion, keys.scheduled),
    "CancelKeyDeletion": Changing(keys.cancel_key_deletion, keys.cancelled),
    "PutKeyPolicy": Changing(policies.put_key_policy),
    "CreateAlias": Changing(aliases.create_alias),
    "UpdateAlias": Changing(aliases.update_alias),
    "DeleteAlias": Changing(aliases.delete_alias),
    "CreateGrant": Changing(grants.create_grant, grants.granted, grants.prepare, grants.issue),
    "RetireGrant": Changing(grants.retire_grant, prepare=grants.prepare_to_retire),
    "RevokeGrant": Changing(grants.revoke_grant),
    "DescribeKey": Using(keys.describe_targets, keys.describe_key, cross_account=True),
    "GetKeyRotationStatus": Using(rotation.status_targets, rotation.get_key_rotation_status, cross_account=True),
    "ListKeyRotations": Using(rotation.rotations_targets, rotation.list_key_rotations),
    "GetParametersForImport": Using(importing.parameters_targets, importing.get_parameters_for_import),
    "GetKeyLastUsage": Recalling(keys.last_usage_targets, keys.get_key_last_usage),
    "ListResourceTags": Using(keys.tags_targets, keys.list_resource_tags),
    "GetPublicKey": Using(keys.public_key_targets, keys.get_public_key, cross_account=True),
    "GetKeyPolicy": Using(policies.get_targets, policies.get_key_policy),
    "ListKeyPolicies": Using(policies.list_targets, policies.list_key_policies),
    "Encrypt": Using(encryption.encrypt_targets, encryption.encrypt, cross_account=True),
    "Decrypt": Using(encryption.decrypt_targets, encryption.decrypt, cross_account=True),
    "ReEncrypt": Using(encryption.re_encrypt_targets, encryption.re_encrypt, cross_account=True),
    "GenerateDataKey": Using(data_keys.data_key_targets, data_keys.generate_data_key, cross_account=True),
    "GenerateDataKeyWithoutPlaintext": Using(
        data_keys.data_key_targets, data_keys.generate_data_key_without_plaintext, cross_account=True
    ),
    "GenerateDataKeyPair": Using(data_keys.data_key_targets, data_keys.generate_data_key_pair, cross_account=True),
    "GenerateDataKeyPairWithoutPlaintext": Using(
        data_keys.data_key_targets, data_keys.generate_data_key_pair_without_plaintext, cross_account=True
    ),
    "Sign": Using(signing.signing_targets, signing.sign, cross_account=True),
    "Verify": Using(signing.signing_targets, signing.verify, cross_account=True),
    "GenerateMac": Using(signing.mac_targets, signing.generate_mac, cross_account=True),
    "VerifyMac": Using(signing.mac_targets, signing.verify_mac, cross_account=True),
    "DeriveSharedSecret": Using(agreement.agreement_targets, agreement.derive_shared_secret, cross_account=True),
    "Encapsulate": Using(agreement.encapsulation_targets, agreement.encapsulate, cross_account=True),
    "Decapsulate": Using(agreement.encapsulation_targets, agreement.decapsulate, cross_account=True),
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
    | {name for name, row in OPERATIONS.items() if isinstance(row, Using | Recalling) and row.cross_account}
)
"""Operations (and ReEncrypt's two permissions) that can be called on a key of another account (policy rule 27)."""
