"""What every endpoint of the audit API gets besides the request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from projections.alerts import queries as alerts
from projections.log.schema import AskedLog
from projections.progress import RecordExtent
from services.adapters.alert_publisher import Publisher
from services.adapters.decisions import DecisionLanes
from services.adapters.postgres import Pool
from services.adapters.topic_bounds import TopicBounds
from services.audit_api.call_records import CallRecords
from services.audit_api.faults import denied
from services.audit_api.filtered_questions import filtered_questions
from services.audit_api.key_references import KeyReferences
from services.audit_api.long_questions import LongQuestions
from services.audit_api.operation_names import OperationNames
from services.audit_api.own_writes import OwnWrites
from services.audit_api.permissions import RoutePermissions
from services.audit_api.principal_references import PrincipalReferences
from services.audit_api.request import AuditRequest
from services.audit_api.sources import Sources
from services.audit_api.streams import Streams
from services.audit_api.waiting_line import WaitingLine
from services.clock import Clock
from services.evidence.proofs import ProofMaker
from services.kms_api.calls import Calls
from services.kms_api.live_state import LiveState
from services.kms_api.maker import VaultMaker
from services.kms_api.mfa_codes import MfaCodes
from services.kms_api.provider_sign_ins import ProviderSignIns
from services.kms_api.refused_attempts import RefusedAttempts
from services.kms_api.sign_ins import SignIns
from services.settings import Settings


@dataclass(frozen=True, slots=True)
class AuditContext:
    """Nothing here refers back to the routes or to the application."""

    settings: Settings
    live: LiveState
    pool: Pool
    log: AskedLog
    """The read models of our own log."""
    clock: Clock
    publisher: Publisher
    maker: VaultMaker
    records: CallRecords
    permissions: RoutePermissions
    sources: Sources
    keys: KeyReferences
    principals: PrincipalReferences
    operations: OperationNames
    filtered_questions: WaitingLine
    long_questions: LongQuestions
    streams: Streams
    own_writes: OwnWrites
    sign_ins: SignIns
    refused_attempts: RefusedAttempts
    mfa: MfaCodes
    provider_sign_ins: ProviderSignIns
    proofs: ProofMaker
    bounds: TopicBounds
    """Where `decisions` and `alerts` end."""

    def require_host(self, request: AuditRequest) -> None:
        """Raises WireError for the principals of any other account."""
        if not self.is_host(request):
            raise denied("Only the first account may do this: it concerns every account.")

    def is_host(self, request: AuditRequest) -> bool:
        """Whether the asking account is the first one, which hosts the others."""
        return request.account == self.settings.account_id


def context_of(
    settings: Settings,
    live: LiveState,
    pool: Pool,
    clock: Clock,
    publisher: Publisher,
    maker: VaultMaker,
    calls: Calls,
    decisions: DecisionLanes,
    bounds: TopicBounds,
    sign_ins: SignIns,
    refused_attempts: RefusedAttempts,
    mfa: MfaCodes,
    provider_sign_ins: ProviderSignIns,
    proofs: ProofMaker,
    actions: frozenset[str],
    stopping: Callable[[], bool],
) -> AuditContext:
    """`actions` are the permissions that the routes need."""
    records, sources = CallRecords(calls), Sources(settings, live, pool, clock)
    keys, long_questions, log = KeyReferences(live, sources), LongQuestions(settings), AskedLog(pool)
    return AuditContext(
        settings=settings,
        live=live,
        pool=pool,
        log=log,
        clock=clock,
        publisher=publisher,
        maker=maker,
        records=records,
        permissions=RoutePermissions(settings, live, clock, records, keys),
        sources=sources,
        keys=keys,
        principals=PrincipalReferences(live, long_questions),
        operations=OperationNames(actions),
        filtered_questions=filtered_questions(pool),
        long_questions=long_questions,
        streams=Streams(stopping, lambda: alerts.newest(log)),
        own_writes=OwnWrites(log, lambda: RecordExtent(decisions.worker, live.next, decisions.durable())),
        sign_ins=sign_ins,
        refused_attempts=refused_attempts,
        mfa=mfa,
        provider_sign_ins=provider_sign_ins,
        proofs=proofs,
        bounds=bounds,
    )
