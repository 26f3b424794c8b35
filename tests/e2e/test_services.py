"""A service principal from the settings: keys that it manages for an account, keys of its own, and calls for others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.e2e.test_kinds import ROOT, code
from tests.forking import forked
from tests.installation import KEYTRAIL, Installation, clean_environment
from tests.service import CREDENTIALS, FILE, ITS_ACCOUNT, SERVICE, service, services_file
from tests.wire_client import post


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("served")
    with Installation(folder / "data", KEYTRAIL_SERVICES_FILE=services_file(folder)) as running:
        yield running


def test_the_key_that_a_service_manages_is_made_when_it_is_first_needed(served: Installation) -> None:
    kms = served.client()
    with pytest.raises(ClientError) as none:
        kms.describe_key(KeyId="alias/aws/backup")
    assert code(none) == "NotFoundException"
    results: list[Any] = []

    def protect() -> None:
        through = service(served, keytrail_on_behalf_of=ROOT)
        results.append(through.generate_data_key(KeyId="alias/aws/backup", KeySpec="AES_256"))

    threads = [Thread(target=protect) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each["KeyId"] for each in results}) == 1, "six calls at once need one key"
    key = kms.describe_key(KeyId="alias/aws/backup")["KeyMetadata"]
    assert (key["KeyManager"], key["Arn"]) == ("AWS", results[0]["KeyId"])
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"] is True
    through = service(served, keytrail_on_behalf_of=ROOT)
    opened = through.decrypt(CiphertextBlob=results[0]["CiphertextBlob"])
    assert opened["Plaintext"] == results[0]["Plaintext"]
    calls: list[Callable[[], Any]] = [
        lambda: kms.decrypt(CiphertextBlob=results[0]["CiphertextBlob"]),
        lambda: service(served).decrypt(CiphertextBlob=results[0]["CiphertextBlob"]),
        lambda: kms.disable_key(KeyId=key["KeyId"]),
        lambda: kms.schedule_key_deletion(KeyId=key["KeyId"]),
        lambda: kms.put_key_policy(KeyId=key["KeyId"], Policy=kms.get_key_policy(KeyId=key["KeyId"])["Policy"]),
        lambda: kms.tag_resource(KeyId=key["KeyId"], Tags=[{"TagKey": "a", "TagValue": "b"}]),
    ]
    for call in calls:
        with pytest.raises(ClientError) as refused:
            call()
        assert code(refused) == "AccessDeniedException"
    served.caught_up()
    decided = served.answers("decisions", "--key", key["KeyId"], "--operation", "Decrypt")
    assert [(each["principal"], each["via"], each["effect"]) for each in decided][:2] == [
        (ROOT, SERVICE, "allowed"),
        (ROOT, None, "refused"),
    ]
    assert served.answers("history", key["KeyId"])[0]["principal"] == SERVICE


def test_a_service_owns_keys_that_no_customer_sees(served: Installation) -> None:
    own = service(served)
    key = own.create_key(Description="its own")["KeyMetadata"]
    assert (key["AWSAccountId"], key["KeyManager"]) == (ITS_ACCOUNT, "AWS")
    sealed = own.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    assert own.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
    kms = served.client()
    assert key["KeyId"] not in [each["KeyId"] for each in kms.list_keys()["Keys"]]
    calls: list[Callable[[], Any]] = [
        lambda: kms.describe_key(KeyId=key["Arn"]),
        lambda: kms.decrypt(CiphertextBlob=sealed),
    ]
    for call in calls:
        with pytest.raises(ClientError) as hidden:
            call()
        assert code(hidden) == "AccessDeniedException"


def test_what_only_a_service_may_say(served: Installation) -> None:
    with pytest.raises(ClientError) as nobody:
        service(served, keytrail_on_behalf_of="arn:aws:iam::111122223333:user/nobody").list_keys()
    assert code(nobody) == "UnrecognizedClientException"
    kms = served.client()
    kms.meta.events.register(
        "before-call.kms", lambda params, **_: params["headers"].update({"x-amz-keytrail-on-behalf-of": "x"})
    )
    kms.list_keys()  # the header has no effect for other callers
    with pytest.raises(ClientError):
        served.client(CREDENTIALS, "iam").list_users()


@pytest.mark.parametrize("behalf", [ROOT, ""])
def test_a_service_asks_nothing_but_kms(served: Installation, behalf: str) -> None:
    """A request to the audit API may be signed for KMS. One of a service's key that named a principal was that principal's:
    it read the principal's account, and changed it."""
    keys = Credentials(CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"])
    headers = {"Content-Type": "application/json"} | ({"x-amz-keytrail-on-behalf-of": behalf} if behalf else {})
    for path, body in (("/v1/console/codes", b""), ("/v1/accounts", b'{"account": "999988887777"}')):
        request = AWSRequest("POST", served.url + path, data=body, headers=headers)
        SigV4Auth(keys, "kms", "us-east-1").add_auth(request)
        status, found = post(served.url, dict(request.headers), body, path)
        assert (status, found["error"]["code"]) == (403, "UnrecognizedClientException"), found
        assert found["error"]["message"] == "A service principal calls KMS alone."


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        (FILE, 0o644, "chmod 600"),
        ("nonsense", 0o600, "cannot be read"),
        (FILE.replace("backup.amazonaws", "backup.example"), 0o600, "a name such as"),
        (FILE.replace(ITS_ACCOUNT, "12"), 0o600, "twelve digits"),
        (FILE.replace(ITS_ACCOUNT, "111122223333"), 0o600, "the first account"),
        (FILE.replace("alias", "nickname"), 0o600, "each a string"),
        (FILE.replace("a secret of the service's own", "short"), 0o600, "at least 16"),
    ],
)
def test_a_file_of_services_that_is_wrong_says_so(text: str, mode: int, says: str, tmp_path: Path) -> None:
    file = tmp_path / "services.toml"
    file.write_text(text)
    file.chmod(mode)
    environment = clean_environment() | {"KEYTRAIL_SERVICES_FILE": str(file)}
    command = [str(KEYTRAIL), "up", "--data", str(tmp_path / "data"), "--port", "1"]
    done = forked().run(command, environment, timeout=60)
    assert done.returncode == 1
    assert says in " ".join(done.stderr.split())
    assert os.listdir(tmp_path) == ["services.toml"] or not (tmp_path / "data" / "kafka").exists()
