"""OPERATIONS: every operation that is built, by its name in the API. The model's others answer UnsupportedOperation.

`cross_account` is what the service model's documentation says of each ("Cross-account use").
"""

from __future__ import annotations

from services.operations import aliases, encryption, keys, policies, signing
from services.operations.rows import Changing, Listing, Row, Using

OPERATIONS: dict[str, Row] = {
    "CreateKey": Changing(keys.create_key, keys.key_created, keys.prepare_create_key),
    "EnableKey": Changing(keys.enable_key),
    "DisableKey": Changing(keys.disable_key),
    "UpdateKeyDescription": Changing(keys.update_key_description),
    "PutKeyPolicy": Changing(policies.put_key_policy),
    "CreateAlias": Changing(aliases.create_alias),
    "UpdateAlias": Changing(aliases.update_alias),
    "DeleteAlias": Changing(aliases.delete_alias),
    "DescribeKey": Using(keys.describe_targets, keys.describe_key, cross_account=True),
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
    "ListKeys": Listing("kms:ListKeys", keys.list_keys),
    "ListAliases": Listing("kms:ListAliases", aliases.list_aliases),
    "GenerateRandom": Listing("kms:GenerateRandom", encryption.generate_random),
}
