"""OPERATIONS: every operation of KMS that Keytrail has, by its name in the API. Every other operation of the API is refused with
UnsupportedOperation.

`cross_account` says what the service model's documentation of the operation says under "Cross-account use".
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

KEY_OR_ALIAS = on_key(aliases=True)
ENCRYPTION_KEY = on_key(ENCRYPT_DECRYPT, aliases=True)
SIGNING_KEY = on_key(SIGN_VERIFY, aliases=True)
MAC_KEY = on_key(GENERATE_VERIFY_MAC, aliases=True)
AGREEMENT_KEY = on_key(KEY_AGREEMENT, aliases=True)
ENCAPSULATION_KEY = on_key(ENCAPSULATE_DECAPSULATE, aliases=True)
OPERATIONS: dict[str, OperationRow] = {
    "CreateKey": Changing(keys.create_key, answer=keys.key_created, prepare=keys.prepare_create_key, costly=True),
    "EnableKey": Changing(keys.enable_key),
    "DisableKey": Changing(keys.disable_key),
    "UpdateKeyDescription": Changing(keys.update_key_description),
    "TagResource": Changing(keys.tag_resource),
    "UntagResource": Changing(keys.untag_resource),
    "EnableKeyRotation": Changing(rotation.enable_key_rotation),
    "DisableKeyRotation": Changing(rotation.disable_key_rotation),
    "RotateKeyOnDemand": Changing(
        rotation.rotate_key_on_demand, answer=rotation.rotated, prepare=rotation.prepare, costly=True
    ),
    "ImportKeyMaterial": Changing(
        material_import.import_key_material,
        answer=material_import.taken,
        prepare=material_import.prepare,
        costly=True,
    ),
    "DeleteImportedKeyMaterial": Changing(material_import.delete_imported_key_material, answer=material_import.taken),
    "ScheduleKeyDeletion": Changing(keys.schedule_key_deletion, answer=keys.scheduled),
    "CancelKeyDeletion": Changing(keys.cancel_key_deletion, answer=keys.cancelled),
    "PutKeyPolicy": Changing(policies.put_key_policy),
    "CreateAlias": Changing(aliases.create_alias),
    "UpdateAlias": Changing(aliases.update_alias),
    "DeleteAlias": Changing(aliases.delete_alias),
    "CreateGrant": Changing(grants.create_grant, answer=grants.granted, prepare=grants.prepare, issue=grants.issue),
    "RetireGrant": Changing(grants.retire_grant, prepare=grants.prepare_to_retire),
    "RevokeGrant": Changing(grants.revoke_grant),
    "DescribeKey": Using(KEY_OR_ALIAS, keys.describe_key, cross_account=True, shows=True),
    "GetKeyRotationStatus": Using(on_key(), rotation.get_key_rotation_status, cross_account=True, shows=True),
    "ListKeyRotations": Using(on_key(), rotation.list_key_rotations, shows=True),
    "GetParametersForImport": Using(on_key(origin=EXTERNAL), material_import.get_parameters_for_import),
    "GetKeyLastUsage": Recalling(on_key(), keys.get_key_last_usage),
    "ListResourceTags": Using(on_key(), keys.list_resource_tags, shows=True),
    "GetPublicKey": Using(KEY_OR_ALIAS, keys.get_public_key, cross_account=True),
    "GetKeyPolicy": Using(on_key(), policies.get_key_policy, shows=True),
    "ListKeyPolicies": Using(on_key(), policies.list_key_policies, shows=True),
    "Encrypt": Using(ENCRYPTION_KEY, encryption.encrypt, cross_account=True),
    "Decrypt": Using(encryption.decrypt_targets, encryption.decrypt, cross_account=True),
    "ReEncrypt": Using(encryption.re_encrypt_targets, encryption.re_encrypt, cross_account=True),
    "GenerateDataKey": Using(ENCRYPTION_KEY, data_keys.generate_data_key, cross_account=True),
    "GenerateDataKeyWithoutPlaintext": Using(
        ENCRYPTION_KEY, data_keys.generate_data_key_without_plaintext, cross_account=True
    ),
    "GenerateDataKeyPair": Using(ENCRYPTION_KEY, data_keys.generate_data_key_pair, cross_account=True),
    "GenerateDataKeyPairWithoutPlaintext": Using(
        ENCRYPTION_KEY, data_keys.generate_data_key_pair_without_plaintext, cross_account=True
    ),
    "Sign": Using(SIGNING_KEY, signatures.sign, cross_account=True),
    "Verify": Using(SIGNING_KEY, signatures.verify, cross_account=True),
    "GenerateMac": Using(MAC_KEY, signatures.generate_mac, cross_account=True),
    "VerifyMac": Using(MAC_KEY, signatures.verify_mac, cross_account=True),
    "DeriveSharedSecret": Using(AGREEMENT_KEY, agreement.derive_shared_secret, cross_account=True),
    "Encapsulate": Using(ENCAPSULATION_KEY, agreement.encapsulate, cross_account=True),
    "Decapsulate": Using(ENCAPSULATION_KEY, agreement.decapsulate, cross_account=True),
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
"""Operations (and ReEncrypt's two permissions) that other accounts can call on a key (#cross-account-operations). The three of
grants are listed because the row of a changing operation does not say `cross_account`: the writer decides such a call."""
