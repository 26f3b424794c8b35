/** /keys/create: the AWS console's five steps to a key. */

import Wizard from "@cloudscape-design/components/wizard";
import { useEffect, useState } from "react";

import { kms } from "../../aws";
import { href, navigate } from "../../router";
import { useSession } from "../../session/session";
import { useAct } from "../../shown/act";
import { useAnswer } from "../../shown/answer";
import { leaveNotice } from "../../shown/notice";
import { faultOf, isUnanswered } from "../../shown/fault";
import { v1 } from "../../v1/client";
import { AliasLeft } from "./alias-left";
import { type Attempt, basisOf, type Draft, faultsOf, FRESH, formOf, isKnown, keepDraft, keptDraft, type Made, newAttempt, REMEMBERED } from "./draft";
import { KindStep } from "./kind-step";
import { LabelsStep } from "./labels-step";
import { makeKey, nameKey } from "./making";
import { AdministratorsStep, UsersStep } from "./people-steps";
import { ReviewStep } from "./review-step";

const REVIEW = 4;

export default function CreateKey() {
  const session = useSession();
  const { arn = "", account = "" } = session?.identity ?? {};
  const accessKey = session?.credential.accessKeyId ?? "";
  const [draft, setDraft] = useState(() => keptDraft(arn));
  const [tried, setTried] = useState(false);
  const act = useAct();
  const reviewing = draft.step === REVIEW;
  const [generated, again] = useAnswer(reviewing ? basisOf(draft) : "", async (signal) => {
    if (!reviewing) return "";
    return (await v1().post("/v1/key-policies/make", { body: formOf(draft) as never }, signal)).policy;
  });

  const { attempt: unanswered } = draft;
  const [tooOld, setTooOld] = useState<Attempt | null>(null);
  const [heldBack, holdBack] = useState(0);
  useEffect(() => {
    if (unanswered === null) return undefined;
    const timer = setTimeout(() => setTooOld(unanswered), unanswered.at + REMEMBERED - Date.now());
    return () => clearTimeout(timer);
  }, [unanswered]);
  const forgotten = unanswered !== null && (unanswered.accessKey !== accessKey || unanswered === tooOld);

  /** Kept at once: what a click begins must not be lost by a reload. */
  function change(changes: Partial<Draft>): Draft {
    const next = { ...draft, ...changes };
    keepDraft(arn, next);
    setDraft(next);
    return next;
  }

  function leave(to: string) {
    keepDraft(arn, null);
    navigate(to);
  }

  function finish(key: string, alias: string | null) {
    leaveNotice({
      text: alias === null ? "The key was created, without an alias:" : `The key ${alias} was created:`,
      link: { href: href("/keys/{key}", { key }), text: key },
    });
    leave(href("/keys/{key}/{tab}", { key, tab: draft.origin === "EXTERNAL" ? "material" : "policy" }));
  }

  function go(step: number) {
    for (let each = draft.step; each < step; each++) {
      if (Object.keys(faultsOf(draft, each, account)).length > 0) {
        setTried(true);
        if (each !== draft.step) change({ step: each });
        return;
      }
    }
    setTried(false);
    act.clear();
    change({ step });
  }

  function create() {
    const faulty = [0, 1, 2, 3].find((step) => Object.keys(faultsOf(draft, step, account)).length > 0);
    if (faulty !== undefined) {
      setTried(true);
      change({ step: faulty });
      return;
    }
    const policy = draft.edited?.policy ?? generated.value;
    if (policy === null || policy === "") return;
    // The time of the click counts: this computer may have slept, and a timer with it.
    if (unanswered !== null && !isKnown(unanswered, accessKey)) {
      setTooOld(unanswered);
      holdBack(heldBack + 1);
      return;
    }
    const attempt = unanswered ?? newAttempt(accessKey);
    const sent = change({ attempt });
    act.run(
      () => make(sent, policy, attempt),
      (made) => finish(made.id, draft.alias),
    );
  }

  async function make(sent: Draft, policy: string, attempt: Attempt): Promise<Made> {
    const client = await kms(); // one for both: whoever made the key names it, even if a role is left meanwhile
    let made: Made;
    try {
      made = await makeKey(client, sent, policy, attempt);
    } catch (thrown) {
      // A refusal is an answer, so the next try is a new one. Where no answer came, it is the same try once more.
      if (!isUnanswered(faultOf(thrown))) change({ attempt: null });
      throw thrown;
    }
    const rest = { ...sent, made };
    keepDraft(arn, rest);
    try {
      await nameKey(client, made.arn, sent.alias);
    } catch (thrown) {
      setDraft(rest);
      throw thrown;
    }
    keepDraft(arn, null);
    return made;
  }

  const { made } = draft;
  if (made !== null) return <AliasLeft draft={draft} made={made} change={change} act={act} finish={(alias) => finish(made.id, alias)} />;
  const given = { draft, change, faults: tried ? faultsOf(draft, draft.step, account) : {} };
  return (
    <Wizard
      activeStepIndex={draft.step}
      submitButtonText="Create key"
      isLoadingNextStep={act.busy}
      onNavigate={({ detail }) => go(detail.requestedStepIndex)}
      onCancel={() => {
        setDraft(FRESH);
        leave(href("/keys"));
      }}
      onSubmit={create}
      i18nStrings={{ stepNumberLabel: (step) => `Step ${step}`, collapsedStepsLabel: (step, count) => `Step ${step} of ${count}` }}
      steps={[
        { title: "Configure key", content: <KindStep {...given} /> },
        { title: "Add labels", content: <LabelsStep {...given} /> },
        {
          title: "Define key administrative permissions",
          description: "Key administrators manage the key: its policy, state, tags, aliases and grants. They do not use it.",
          isOptional: true,
          content: <AdministratorsStep {...given} />,
        },
        {
          title: "Define key usage permissions",
          description: "Key users use the key in cryptographic operations, and let AWS services use it for them.",
          isOptional: true,
          content: <UsersStep {...given} />,
        },
        {
          title: "Review",
          content: (
            <ReviewStep
              draft={draft}
              change={change}
              generated={generated}
              again={again}
              fault={act.fault}
              forgotten={forgotten}
              heldBack={heldBack}
            />
          ),
        },
      ]}
    />
  );
}
