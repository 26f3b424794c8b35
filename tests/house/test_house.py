"""The house in order: imports point one way, registries are complete, and documents are true."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

import pytest
import yaml

from domain import errors as domain_errors
from domain.commands.decide import COMMANDS
from domain.errors import REFUSALS, Refusal
from domain.identities import event_effects
from domain.keys.states import TABLE
from domain.log import catalogue
from domain.log.catalogue import CATALOGUE
from domain.log.codec import event_from
from domain.state.world import IDENTITY_EVENTS, World
from projections.registry import PROJECTIONS
from services.adapters import topics
from services.arrangement import BROKER_SETTINGS, PROCESSES, TOPICS
from services.inherited import MARKS
from services.kms_api import errors, shapes
from services.operations.rows import Reading, Recalling, Using
from services.operations.table import BY_NAME, CROSS_ACCOUNT, OPERATIONS, SERVICES
from services.settings import PREFIX, load, table
from tests.house.sources import nodes
from tests.installation import KEYTRAIL, clean_environment

ROOT = Path(__file__).parents[2]
ALLOWED = {
    "domain": {"domain", "cryptography"},
    "projections": {"projections", "domain", "orjson"},
    "services": None,
}


def modules(package: str) -> Iterator[tuple[Path, set[str]]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        names: set[str] = set()
        for node in nodes(path):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: imports are absolute"
                names.add((node.module or "").split(".")[0])
        yield path, names


@pytest.mark.parametrize("package", ["domain", "projections"])
def test_imports_point_one_way(package: str) -> None:
    allowed = ALLOWED[package]
    assert allowed is not None
    wrong = {
        str(path.relative_to(ROOT)): outside
        for path, names in modules(package)
        if (outside := names - allowed - set(sys.stdlib_module_names))
    }
    assert wrong == {}


def test_nothing_that_runs_imports_tests_or_benchmarks() -> None:
    wrong = [path for path, names in modules("services") if names & {"tests", "bench"}]
    assert wrong == []


def test_files_are_short_enough_to_hold_in_the_head() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for package in ALLOWED
        for path, _ in modules(package)
        if (count := len(path.read_text().splitlines())) > 420
    }
    assert long == {}


def test_nothing_is_kept_by_a_property_that_locks_its_class() -> None:
    """domain/once.py gives the reason."""
    kept = [path for package in ALLOWED for path, _ in modules(package) if "cached_property" in _code(path)]
    assert kept == []


def test_every_advisory_lock_has_its_id_from_the_one_list() -> None:
    """Imports of trails and the alert workers had one id, so a worker could not begin while an import was under way."""
    named = re.compile(r'advisory_\w*lock\w*\(\$1(?:, hashtext\(\$2\))?\)",\s*(AdvisoryLock\.\w+|lock)[,)]')
    wrong = []
    for path in (ROOT / "services").rglob("*.py"):
        text = path.read_text()
        if len(re.findall(r"SELECT pg_\w*advisory", text)) != len(named.findall(text)):
            wrong.append(str(path))
    assert wrong == []


def _code(path: Path) -> set[str]:
    return {node.id for node in nodes(path) if isinstance(node, ast.Name)}


def test_every_operation_is_one_of_the_model() -> None:
    for service, rows in SERVICES.items():
        strange = set(rows) - shapes.operation_names(service)
        assert not strange, f"no operation of botocore's model: {strange}; see OUR_CHANGES in services/writer/step.py"
    assert len(BY_NAME) == sum(len(rows) for rows in SERVICES.values()), "a record names the operation alone"


def test_every_operation_on_a_key_has_its_states() -> None:
    assert {name for name, row in OPERATIONS.items() if isinstance(row, Using | Recalling)} <= set(TABLE)


def test_cross_account_use_follows_the_models_documentation() -> None:
    """#cross-account-operations: the operations that the service model's documentation marks as cross-account, and no others."""
    model = shapes.service_model("kms")
    for name, row in OPERATIONS.items():
        if not isinstance(row, Reading) and name != "CreateKey":
            text = re.sub("<[^>]+>", "", model.operation_model(name).documentation)
            said = re.search(r"Cross-account use\s*:\s*(\w+)", text)
            assert said is not None, name
            assert (name in CROSS_ACCOUNT) == (said.group(1) == "Yes"), name


def test_every_event_type_is_evolved() -> None:
    """Every event of the catalogue has its own case in the state or in the key."""
    from domain.keys import key

    apply = World.__dict__["apply"].dispatcher
    directory = event_effects.effect

    for row in CATALOGUE.values():
        in_world = apply.dispatch(row.event) is not apply.dispatch(object)
        in_key = key.evolve.dispatch(row.event) is not key.evolve.dispatch(object)
        in_directory = directory.dispatch(row.event) is not directory.dispatch(object)
        assert in_world or in_key or in_directory, row.wire
        assert in_directory == (row.event in IDENTITY_EVENTS), row.wire


def test_every_event_type_is_in_the_history() -> None:
    """A projector that meets an event without a case would stop."""
    from projections.history.project import touched

    for path in sorted((ROOT / "tests" / "golden").glob("*.v*.json")):
        document = json.loads(path.read_text())
        if document["type"] in CATALOGUE:
            touched(event_from(document), World(region="us-east-1"))


def test_what_an_event_type_changes_of_access_is_one_of_the_kinds_that_there_are() -> None:
    """A row of the catalogue has to say it, so that `keytrail changes` leaves out no event that nobody thought of."""
    kinds = {catalogue.KEY_POLICY, catalogue.GRANT, catalogue.IDENTITY, catalogue.TAGS, catalogue.ALIAS}
    assert {row.access for row in CATALOGUE.values()} == kinds | {catalogue.NONE}


def test_every_refusal_has_its_code_at_the_door() -> None:
    named = {each.kind for each in _subclasses(Refusal)}
    assert named == set(errors.CODES)
    assert set(REFUSALS) <= named
    written = [each for each in vars(domain_errors).values() if isinstance(each, type) and "kind" in vars(each)]
    missing = [each.__name__ for each in written if vars(each)["kind"] not in REFUSALS and each is not Refusal]
    assert missing == [], "the writer's refusals come over the log by their kinds"


def _subclasses(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)


def test_every_code_of_the_query_protocol_is_one_that_a_client_knows() -> None:
    codes = {
        shape.metadata.get("error", {}).get("code")
        for service in ("iam", "sts")
        for shape in map(shapes.service_model(service).shape_for, shapes.service_model(service).shape_names)
        if shape.type_name == "structure"
    }
    common = {  # IAM API reference, CommonErrors
        "ValidationError",
        "AccessDenied",
        "InvalidAction",
        "MissingAction",
        "InvalidClientTokenId",
        "ExpiredToken",
        "Throttling",
        "MissingAuthenticationToken",
        "IncompleteSignature",
        "SignatureDoesNotMatch",
        "ServiceUnavailable",
        "MalformedInput",
    }
    assert {code for _, code in errors.QUERY_CODES.values()} <= codes | common


def test_every_code_is_one_that_a_client_knows() -> None:
    """Each refusal is an error of the operation's model, or one of the errors that every AWS service has."""
    model = shapes.service_model("kms")
    common = {
        "ValidationException",
        "AccessDeniedException",
        "SerializationException",
        "UnknownOperationException",
        "ThrottlingException",
        "UnrecognizedClientException",
        "ExpiredTokenException",
    }
    assert {code for _, code in errors.CODES.values()} <= set(model.shape_names) | common


def test_every_command_is_decided_and_every_projection_explains_itself() -> None:
    assert all(required is not decide for required, decide in COMMANDS.values())
    for projection in PROJECTIONS.values():
        assert projection.table.startswith("-- "), "table.sql begins with the question that it answers"
        assert (ROOT / "projections" / projection.name / "queries.py").exists()


def test_documents_are_in_step() -> None:
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


SETTINGS = {name for name, _, _ in table()}


NAMES = {"KEYTRAIL_WRITER_NAME", "KEYTRAIL_ALERTS_NAME"}
"""The names of the processes of an installation, and no others."""


def test_every_variable_of_ours_is_a_setting_or_a_mark() -> None:
    """Others are called misspelt settings."""
    named = {
        found
        for package in ALLOWED
        for path, _ in modules(package)
        for found in re.findall(r'"(KEYTRAIL_[A-Z_]+[A-Z])"', path.read_text())
    }
    kept = {"KEYTRAIL_CONTROLLER_PASSWORD"}  # a secret, which reaches its process as a file
    assert named - SETTINGS - MARKS == kept


FORMER_PROGRAMS = {"services.alerts"}
"""Programs of compose.yaml in versions up to 0.1 that have another name today: they still start."""


PREFIX_OF_TOPICS = load({}).topic_prefix


@pytest.mark.parametrize("command", ["api", "writer", "notary", "keytrail up"])
def test_each_process_warns_of_a_misspelt_setting(command: str) -> None:
    environment = clean_environment() | {"KEYTRAIL_MASTER_KEYFILE": "/elsewhere", "KEYTRAIL_PORT": "many"}
    program = [str(KEYTRAIL), "up"] if command == "keytrail up" else [sys.executable, "-m", f"services.{command}"]
    started = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert "KEYTRAIL_MASTER_KEYFILE is no setting" in started.stderr


def test_compose_starts_programs_that_exist_today_and_those_of_former_versions() -> None:
    """`python -m NAME` finds each."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"].values()
    named = {
        program for service in services for program in service.get("command", ()) if program.startswith("services.")
    }
    assert {
        "services.api",
        "services.writer",
        "services.projector",
        "services.alert_worker",
        "services.notifier",
        "services.audit_devices",
        "services.notary",
    } == named
    missing = [name for name in named | FORMER_PROGRAMS if not (ROOT / name.replace(".", "/") / "__main__.py").exists()]
    assert missing == []
    for name in FORMER_PROGRAMS:
        environment = clean_environment() | {"KEYTRAIL_CHANGE_RATE": "many"}
        started = subprocess.run(
            [sys.executable, "-m", name], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert "KEYTRAIL_CHANGE_RATE" in started.stderr, "it starts, reads its settings, and names the wrong one"


def test_compose_names_existing_settings() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    ours = [
        service for service in compose["services"].values() if "build" in service or service.get("image") == "keytrail"
    ]
    assert len(ours) == 11, (
        "two APIs, two writers, a projector, two alert workers, a notifier, audit devices, a notary, the operator"
    )
    for service in ours:
        given = {name for name in service["environment"] if name.startswith(PREFIX)}
        assert given <= SETTINGS | NAMES
        assert {"KEYTRAIL_KAFKA", "KEYTRAIL_POSTGRES", "KEYTRAIL_MASTER_KEY_FILE"} <= given
    brokers = [service for name, service in compose["services"].items() if name.startswith("kafka")]
    assert len(brokers) == 3
    for broker in brokers:
        assert broker["image"].startswith("apache/kafka:4.")
        wanted = {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in BROKER_SETTINGS.items()}
        assert wanted.items() <= broker["environment"].items()
        (volume,) = broker["volumes"]
        assert volume.partition(":")[2] == broker["environment"]["KAFKA_LOG_DIRS"], "the log outlives the container"
    for service in ours:
        mounted = {each.split(":")[1] for each in service["volumes"]}
        assert str(Path(service["environment"]["KEYTRAIL_MASTER_KEY_FILE"]).parent) in mounted, (
            "a file would be the first one for ever"
        )


def test_the_arrangement_names_every_topic_and_process() -> None:
    """The rights on Kafka follow from it: a process that is missing there would have none."""
    assert {f"{PREFIX_OF_TOPICS}.{each}" for each in TOPICS} == set(astuple(topics.names(load({}))))
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"].values()
    started = {
        program for service in compose for program in service.get("command", ()) if program.startswith("services.")
    }
    assert started == {each.module for each in PROCESSES} - {"services.cli"}


def test_documents_name_existing_settings() -> None:
    for path in [ROOT / "README.md", ROOT / "SECURITY.md", *(ROOT / "docs").rglob("*.md")]:
        named = set(re.findall(r"KEYTRAIL_[A-Z_]+[A-Z]", path.read_text()))
        assert named <= SETTINGS | NAMES, path


def test_requirements_are_pinned_with_hashes_and_name_no_registry() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "://" not in text, path
        pinned = [line for line in text.splitlines() if "==" in line]
        assert pinned
        assert all(line.endswith("\\") for line in pinned), path
    assert not list(ROOT.glob("uv.lock"))


def test_links_between_documents_lead_somewhere() -> None:
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_no_process_reads_the_log_without_its_keys() -> None:
    """A chain without keys accepts any links. It is for `verify --file` on somebody else's machine, and never for a
    decision."""
    found = []
    for path, _ in modules("services"):
        for node in nodes(path):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Fold", "Chain"):
                named = {each.arg for each in node.keywords}
                if len(node.args) < 3 and "keys" not in named and "chain" not in named:
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []
