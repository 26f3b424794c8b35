"""OPERATIONS: every operation of KMS that Keytrail has, by its name in the API. All others answer UnsupportedOperation.

`cross_account` is from the service model's documentation of each operation ("Cross-account use").
"""

from __future__ import annotations

from domain.crypto.specs import (
    ENCAPSULATE_DECAPSULATE,
    ENCRYPT_DECRYPT,
    GENERATE_VERIFY_MAC,
    KEY_AGREEMENT,
    SIGN_VERIFY,
)
from domain.keys.origins import EXTERNAL
from services.operations import (
    agreement,
    aliases,
    data_keys,
    encryption,
    grants,
    keys,
    material_import,
    policies,
    rotation,
    signatures,
)
from services.operations.identity_table import IAM, STS
from services.operations.rows import Changing, OperationRow, Reading, Recalling, Using, in_own_account, on_key

NAMED = on_key(aliases=True)
ENCRYPTING = on_key(ENCRYPT_DECRYPT, aliases=True)
SIGNING = on_key(SIGN_VERIFY, aliases=True)
CODING = on_key(GENERATE_VERIFY_MAC, aliases=True)
AGREEING = on_key(KEY_AGREEMENT, aliases=True)
ENCAPSULATING = on_key(ENCAPSULATE_DECAPSULATE, aliases=True)
OPERATIONS: dict[str, OperationRow] = {
    "CreateKey": Changing(keys.create_key, keys.key_created, keys.prepare_create_key, costly=True),
    "EnableKey": Changing(keys.enable_key),
    "DisableKey": Changing(keys.disable_key),
    "UpdateKeyDescription": Changing(keys.update_key_description),
    "TagResource": Changing(keys.tag_resource),
    "UntagResource": Changing(keys.untag_resource),
    "EnableKeyRotation": Changing(rotation.enable_key_rotation),
    "DisableKeyRotation": Changing(rotation.disable_key_rotation),
    "RotateKeyOnDemand": Changing(rotation.rotate_key_on_demand, rotation.rotated, rotation.prepare, costly=True),
    "ImportKeyMaterial": Changing(
        material_import.import_key_material, material_import.taken, material_import.prepare, costly=True
    ),
    "DeleteImportedKeyMaterial": Changing(material_import.delete_imported_key_material, material_import.taken),
    "ScheduleKeyDeletion": Changing(keys.schedule_key_deletion, keys.scheduled),
    "CancelKeyDeletion": Changing(keys.cancel_key_deletion, keys.cancelled),
    "PutKeyPolicy": Changing(policies.put_key_policy),
    "CreateAlias": Changing(aliases.create_alias),
    "UpdateAlias": Changing(aliases.update_alias),
    "DeleteAlias": Changing(aliases.delete_alias),
    "CreateGrant": Changing(grants.create_grant, grants.granted, grants.prepare, grants.issue),
    "RetireGrant": Changing(grants.retire_grant, prepare=grants.prepare_to_retire),
    "RevokeGrant": Changing(grants.revoke_grant),
    "DescribeKey": Using(NAMED, keys.describe_key, cross_account=True, shows=True),
    "GetKeyRotationStatus": Using(on_key(), rotation.get_key_rotation_status, cross_account=True, shows=True),
    "ListKeyRotations": Using(on_key(), rotation.list_key_rotations, shows=True),
    "GetParametersForImport": Using(on_key(origin=EXTERNAL), material_import.get_parameters_for_import),
    "GetKeyLastUsage": Recalling(on_key(), keys.get_key_last_usage),
    "ListResourceTags": Using(on_key(), keys.list_resource_tags, shows=True),
    "GetPublicKey": Using(NAMED, keys.get_public_key, cross_account=True),
    "GetKeyPolicy": Using(on_key(), policies.get_key_policy, shows=True),
    "ListKeyPolicies": Using(on_key(), policies.list_key_policies, shows=True),
    "Encrypt": Using(ENCRYPTING, encryption.encrypt, cross_account=True),
    "Decrypt": Using(encryption.decrypt_targets, encryption.decrypt, cross_account=True),
    "ReEncrypt": Using(encryption.re_encrypt_targets, encryption.re_encrypt, cross_account=True),
    "GenerateDataKey": Using(ENCRYPTING, data_keys.generate_data_key, cross_account=True),
    "GenerateDataKeyWithoutPlaintext": Using(
        ENCRYPTING, data_keys.generate_data_key_without_plaintext, cross_account=True
    ),
    "GenerateDataKeyPair": Using(ENCRYPTING, data_keys.generate_data_key_pair, cross_account=True),
    "GenerateDataKeyPairWithoutPlaintext": Using(
        ENCRYPTING, data_keys.generate_data_key_pair_without_plaintext, cross_account=True
    ),
    "Sign": Using(SIGNING, signatures.sign, cross_account=True),
    "Verify": Using(SIGNING, signatures.verify, cross_account=True),
    "GenerateMac": Using(CODING, signatures.generate_mac, cross_account=True),
    "VerifyMac": Using(CODING, signatures.verify_mac, cross_account=True),
    "DeriveSharedSecret": Using(AGREEING, agreement.derive_shared_secret, cross_account=True),
    "Encapsulate": Using(ENCAPSULATING, agreement.encapsulate, cross_account=True),
    "Decapsulate": Using(ENCAPSULATING, agreement.decapsulate, cross_account=True),
    "ListGrants": Using(on_key(), grants.list_grants, cross_account=True, shows=True),
    "ListRetirableGrants": Reading(grants.access_to_list_retirable, grants.list_retirable),
    "ListKeys": Reading(in_own_account("kms:ListKeys"), keys.list_keys),
    "ListAliases": Reading(aliases.access_to_list, aliases.list_aliases),
    "DescribeCustomKeyStores": Reading(in_own_account("kms:DescribeCustomKeyStores"), keys.describe_custom_key_stores),
    "GenerateRandom": Reading(in_own_account("kms:GenerateRandom"), encryption.generate_random),
}

SERVICES: dict[str, dict[str, OperationRow]] = {"kms": OPERATIONS, "iam": IAM, "sts": STS}
"""The operations, by the service in the signature's scope. Names are unique over all three APIs, because a record names
only the operation."""
BY_NAME: dict[str, OperationRow] = {name: row for table in SERVICES.values() for name, row in table.items()}
CROSS_ACCOUNT = frozenset(
    {"CreateGrant", "RetireGrant", "RevokeGrant", "ReEncryptFrom", "ReEncryptTo"}
    | {name for name, row in OPERATIONS.items() if isinstance(row, Using | Recalling) and row.cross_account}
)
"""Operations (and ReEncrypt's two permissions) that other accounts can call on a key (#cross-account-operations)."""
