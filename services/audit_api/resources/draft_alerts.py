"""What the rules of alerts would find if a key policy were put now."""

from __future__ import annotations

from domain.alerts.change import Change
from domain.alerts.engine.judge import Judge
from domain.authorization.audience import Told
from domain.errors import Refusal
from domain.log.events import PolicyReplaced
from domain.policy.check import check_policy
from domain.policy.parse import KEY
from domain.policy_analysis.budget import Budget
from domain.state.principals import principals_of
from services.alert_worker.drafts import shown
from services.alert_worker.facts import ProjectedFacts
from services.alert_worker.past import Past
from services.audit_api.alert_settings import alert_settings
from services.audit_api.answer_shapes import Page
from services.audit_api.bodies import document_in
from services.audit_api.context import AuditContext
from services.audit_api.faults import invalid, missing
from services.audit_api.raised_alerts import EVIDENCE, FINDING
from services.audit_api.request import AuditRequest
from services.audit_api.route import Parameter, RouteRow
from services.kms_api import errors
from services.kms_api.errors import WireError
from services.rendering import only_page
from services.shares import QUESTIONS, breathe

MOST_STEPS = 20_000_000
"""The most steps to judge a draft (domain/policy_analysis/budget): half a minute or less. What remains then is unknown."""


async def check_draft(audit: AuditContext, request: AuditRequest) -> Told:
    text = document_in(request.body, 'the body must be {"policy": "..."}').get("policy")
    if not isinstance(text, str):
        raise invalid("policy must be the text of a key policy")
    key_id = await audit.keys.own_of_path(request)
    world = audit.live.world
    key = world.keys.get(key_id)
    if key is None:
        raise missing(f"The key {key_id} has been deleted.")
    try:
        policy = check_policy(text, KEY)
    except Refusal as fault:
        raise WireError(400, errors.wire_error(fault).code, fault.message) from None
    event = PolicyReplaced(
        key_id, key.policy_version + 1, text, False, False, principals_of(policy, world, key.account)
    )
    at, settings = audit.clock.now(), alert_settings(audit.settings)
    position, caller = audit.live.position + 1, request.caller
    past = await Past(ProjectedFacts(audit.log)).of(event, world.keys, position, at)
    change = Change(
        event, world, at, position, caller=caller.principal, account=caller.account, operation="PutKeyPolicy",
        facts=past, known_accounts=settings.known_accounts,
    ).alone()  # fmt: skip
    judge = Judge(world.log, settings, world.region)
    judged = await QUESTIONS.run(caller.account, judge.within, change, {}, Budget(MOST_STEPS, breathe))
    found = judged.alerts
    answer = only_page([shown(each) for each in found])
    return request.audience.alerts([each.finding.account for each in found], answer)


CHECK_DRAFT = RouteRow(
    "POST",
    "/v1/keys/{key:path}/alerts",
    "check_draft",
    check_draft,
    "What the rules would find if this policy were put now",
    tag="alerts",
    action="keytrail:CheckAlerts",
    body=(Parameter("policy", "the text of the policy that would be put", required=True),),
    answer=Page((*FINDING, EVIDENCE)),
)


ROUTES = (CHECK_DRAFT,)
