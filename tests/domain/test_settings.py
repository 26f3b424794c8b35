"""Settings that no start takes. What is said names the variable, and quotes nothing of a secret."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from asyncpg import connect_utils
from hypothesis import example, given
from hypothesis import strategies as st

from services.adapters.bundled.postgres import BundledPostgres
from services.adapters.postgres import for_writing, hosts_of
from services.inherited import MARKS
from services.runtime.setting_names import unknown
from services.setting_forms import is_dsn
from services.settings import BadSetting, load, table

DSN = "KEYTRAIL_POSTGRES takes postgresql://"
IMPOSSIBLE = [
    ("KEYTRAIL_POSTGRES", "host=db user=keytrail password=hunter22", DSN),
    ("KEYTRAIL_POSTGRES", "mysql://db/keytrail", DSN),
    ("KEYTRAIL_POSTGRES", "postgresql://db:fivefour/keytrail", DSN),
    ("KEYTRAIL_POSTGRES", "postgresql://db:70000/keytrail", DSN),
    ("KEYTRAIL_POSTGRES", "postgresql://db1:5432,,db2/keytrail", DSN),
    ("KEYTRAIL_POSTGRES", "postgresql://db/keytrail?sslmode", DSN),
    ("KEYTRAIL_POSTGRES", "postgresql://db/keytrail?host=db&port=x", DSN),
    ("KEYTRAIL_KAFKA", "broker:x", "KEYTRAIL_KAFKA takes HOST:PORT"),
    ("KEYTRAIL_KAFKA", "broker:0", "KEYTRAIL_KAFKA takes HOST:PORT"),
    ("KEYTRAIL_KAFKA", "PLAINTEXT://broker:9092", "KEYTRAIL_KAFKA takes HOST:PORT"),
    ("KEYTRAIL_KAFKA", " , ", "KEYTRAIL_KAFKA takes HOST:PORT"),
    ("KEYTRAIL_KAFKA_SASL_MECHANISM", "SCRAM-SHA512", "KEYTRAIL_KAFKA_SASL_MECHANISM takes PLAIN, SCRAM-SHA-256"),
    ("KEYTRAIL_OIDC_ADDRESSES", "10.0.0.0/40", "KEYTRAIL_OIDC_ADDRESSES takes addresses and networks"),
    ("KEYTRAIL_NOTARIES", "-1", "KEYTRAIL_NOTARIES takes 0 or more"),
    ("KEYTRAIL_DECISION_PARTITIONS", "0", "KEYTRAIL_DECISION_PARTITIONS takes at least 1"),
    ("KEYTRAIL_CHANGE_RATE", "nan", "KEYTRAIL_CHANGE_RATE takes 0 or more"),
    ("KEYTRAIL_CHANGE_RATE", "-1", "KEYTRAIL_CHANGE_RATE takes 0 or more"),
    ("KEYTRAIL_CHANGE_BURST", "0", "KEYTRAIL_CHANGE_BURST takes at least 1"),
    ("KEYTRAIL_COMMAND_DEADLINE", "-5", "KEYTRAIL_COMMAND_DEADLINE takes more than 0"),
    ("KEYTRAIL_COMMAND_DEADLINE", "inf", "KEYTRAIL_COMMAND_DEADLINE takes more than 0"),
    ("KEYTRAIL_FRESH_FOR", "-1", "KEYTRAIL_FRESH_FOR takes more than 0"),
    ("KEYTRAIL_FRESH_FOR", "nan", "KEYTRAIL_FRESH_FOR takes more than 0"),
    ("KEYTRAIL_TREE_KEY_OVERLAP", "inf", "KEYTRAIL_TREE_KEY_OVERLAP takes 0 to 36500 days"),
    ("KEYTRAIL_TRACES_RATIO", "nan", "KEYTRAIL_TRACES_RATIO takes 0 to 1"),
    ("KEYTRAIL_KEYS_PER_ACCOUNT", "-1", "KEYTRAIL_KEYS_PER_ACCOUNT takes 0 or more"),
    ("KEYTRAIL_ALIASES_PER_KEY", "-1", "KEYTRAIL_ALIASES_PER_KEY takes 0 or more"),
    ("KEYTRAIL_GRANTS_PER_KEY", "-1", "KEYTRAIL_GRANTS_PER_KEY takes 0 or more"),
    ("KEYTRAIL_ON_DEMAND_ROTATIONS", "-1", "KEYTRAIL_ON_DEMAND_ROTATIONS takes 0 or more"),
]
GOOD_DSNS = [
    "postgresql://k:p%40w@db1:5432,db2:5433/keytrail?target_session_attrs=read-write&sslmode=require",
    "postgresql://keytrail@/keytrail?host=/run/socket",
    "postgresql:///keytrail?host=db1,db2&port=5432,5433",
    "postgres://[::1]:5432/keytrail",
    "postgresql://k@%2Frun%2Fpostgresql/keytrail",
    "postgresql://?service=keytrail",
    "postgresql://k:p@db/keytrail?options=-c%20statement_timeout%3D5s&user=k%40azure",
    "postgresql://db/keytrail?user=me@corp&application_name=kms@prod",
    "postgresql://k@db/keytrail?sslrootcert=/home/jane@corp.example/ca.pem",
    "postgresql://k:p@db:/keytrail",
]


@pytest.mark.parametrize(("variable", "value", "says"), IMPOSSIBLE)
def test_a_setting_that_cannot_be_is_refused_by_name(variable: str, value: str, says: str) -> None:
    with pytest.raises(BadSetting, match=f"^{says}") as refused:
        load({variable: value})
    assert value not in str(refused.value)


@pytest.mark.parametrize("dsn", GOOD_DSNS)
def test_a_dsn_that_asyncpg_takes_is_taken(dsn: str) -> None:
    assert load({"KEYTRAIL_POSTGRES": dsn}).postgres == dsn


@given(name=st.text(st.sampled_from("ab2@#+%&?=:;' \u00e9"), min_size=1, max_size=12))
@example("jane@corp.example")
@example("kms@2")
@example("a#b")
@example("a+b")
@example("a%40b")
@example("a&b=c")
@example("a b")
def test_the_bundled_postgres_is_found_in_a_folder_of_any_name(name: str) -> None:
    """A home such as /home/jane@corp.example, or a workspace of Jenkins, kms@2: the name of the folder stands in a DSN."""
    postgres = BundledPostgres(Path("/srv") / name)
    dsn = load({"KEYTRAIL_POSTGRES": postgres.dsn}).postgres
    for each in (dsn, *hosts_of(dsn)):
        assert _read_by_asyncpg(for_writing(each)) == ([f"{postgres.sockets}/.s.PGSQL.5432"], "keytrail", "keytrail")


@pytest.mark.parametrize("brokers", ["broker", "b1:9092,b2:9092", " b1:9092, [::1]:9092,", "127.0.0.1:9092"])
def test_brokers_that_kafka_clients_take_are_taken(brokers: str) -> None:
    assert load({"KEYTRAIL_KAFKA": brokers}).kafka == brokers


@given(password=st.text(st.sampled_from("ab12/?#@:%=&,[] \u00e9"), min_size=1, max_size=12))
@example("12/34")
@example("12?a=b")
@example("12#34")
@example("12@34")
@example("p[w")
@example("1/2?a=b")
@example("@/?=")
def test_no_piece_of_a_password_is_asked_for_as_a_host(password: str) -> None:
    """A password with such a character cut the address short. What came before it was looked up as a host, and quoted in logs."""
    dsn = f"postgresql://keytrail:{password}@db.example.com:5433/keytrail"
    escaped = f"postgresql://keytrail:{quote(password, safe='')}@db.example.com:5433/keytrail"
    assert is_dsn(escaped)
    for each in (dsn, escaped):
        if is_dsn(each):
            for read in (for_writing(each), *hosts_of(each)):
                assert _read_by_asyncpg(read) == ([("db.example.com", 5433)], "keytrail", "keytrail")


def _read_by_asyncpg(dsn: str) -> tuple[Any, str, str]:
    """(addresses, user, database)"""
    parse: Callable[..., Any] = vars(connect_utils)["_parse_connect_dsn_and_args"]
    names = inspect.signature(parse).parameters
    addresses, meant = parse(**(dict.fromkeys(names) | {"dsn": dsn}))
    return addresses, meant.user, meant.database


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("KEYTRAIL_MASTER_KEYFILE", "Near it: KEYTRAIL_MASTER_KEY_FILE"),
        ("KEYTRAIL_POSTGRESS", "Near it: KEYTRAIL_POSTGRES,"),
        ("KEYTRAIL_ROOT_SECRET_KEY", "Near it: KEYTRAIL_ROOT_SECRET_ACCESS_KEY"),
        ("KEYTRAIL_METRIC_PORT", "Near it: KEYTRAIL_METRICS_PORT"),
        ("keytrail_notaries", "Near it: KEYTRAIL_NOTARIES"),
        ("KEYTRAIL_XYZZY", "KEYTRAIL_XYZZY is no setting, so nobody reads it."),
    ],
)
def test_a_variable_that_is_no_setting_is_told_with_the_nearest_ones(name: str, says: str) -> None:
    """A misspelt KEYTRAIL_MASTER_KEY_FILE was taken without a word, and the master key was made beside the data."""
    found = unknown({name: "9", "PATH": "/bin"})
    assert found.keys() == {name}
    assert says in found[name]


def test_what_is_a_setting_or_a_mark_or_made_by_kubernetes_is_not_told() -> None:
    """kubernetes.io/docs/concepts/services-networking/service, "Environment variables": here of Services keytrail, keytrail-api."""
    port, other = "KEYTRAIL_PORT_8600_TCP", "KEYTRAIL_API_PORT"
    made = {
        "KEYTRAIL_SERVICE_HOST": "10.0.0.11",
        "KEYTRAIL_SERVICE_PORT": "8600",
        "KEYTRAIL_SERVICE_PORT_HTTPS": "8600",
        port: "tcp://10.0.0.11:8600",
        f"{port}_PROTO": "tcp",
        f"{port}_PORT": "8600",
        f"{port}_ADDR": "10.0.0.11",
        "KEYTRAIL_API_SERVICE_HOST": "10.0.0.12",
        other: "tcp://10.0.0.12:8600",
    }
    ours = dict.fromkeys([*(name for name, _, _ in table()), *MARKS], "1")
    assert unknown(ours | made) == {}


@pytest.mark.parametrize(
    ("host", "tls", "url"),
    [
        ("", "", "http://127.0.0.1:8600"),
        ("", "chain.pem", "https://127.0.0.1:8600"),
        ("0.0.0.0", "", "http://127.0.0.1:8600"),  # it is only read
        ("::", "", "http://127.0.0.1:8600"),
        ("[::]", "", "http://127.0.0.1:8600"),
        ("[::1]", "", "http://[::1]:8600"),
        ("::1", "", "http://[::1]:8600"),
        ("10.1.2.3", "chain.pem", "https://10.1.2.3:8600"),
        ("keys.example.com", "", "http://keys.example.com:8600"),
    ],
)
def test_the_address_that_commands_name_is_one_that_the_api_listens_on(host: str, tls: str, url: str) -> None:
    assert load({"KEYTRAIL_HOST": host, "KEYTRAIL_TLS_CERT": tls, "KEYTRAIL_TLS_KEY": tls}).url == url
