/** The policy of a key: who administers and uses the key, the text, its versions, and the review before it is replaced.
 *
 * The view is part of the URL; the draft is kept in this tab, so both survive a reload.
 */

import { GetKeyPolicyCommand } from "@aws-sdk/client-kms";
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { kms } from "../../aws";
import { Waiting } from "../../policy/alerts-raised";
import { checkDraft } from "../../policy/check";
import { DraftView } from "../../policy/draft-view";
import { FormView } from "../../policy/form-view";
import { keepDraft, keptDraft, type KeptDraft } from "../../policy/kept-draft";
import { PastPolicy } from "../../policy/past-policy";
import { Review, type OpenedPolicy } from "../../policy/review";
import { TextView } from "../../policy/text-view";
import { Versions } from "../../policy/versions";
import { changeQuery, usePlace } from "../../router";
import { current } from "../../session/session";
import { useAct } from "../../shown/act";
import { useAnswer } from "../../shown/answer";
import { ChangeModal } from "../../shown/change-modal";
import { isAbort } from "../../shown/fault";
import { Problem } from "../../shown/problem";
import { v1 } from "../../v1/client";
import type { KeyFacts, TabProps } from "./facts";

const VIEWS = [
  { id: "form", text: "Default view" },
  { id: "text", text: "Policy view" },
  { id: "versions", text: "Versions" },
] as const;

export function PolicyTab({ name, facts, at, trail }: Pick<TabProps, "name" | "facts" | "at" | "trail">) {
  const key = (trail === null ? facts?.id : facts?.arn) ?? name;
  return at === null ? <PresentPolicy key={key} keyId={key} facts={facts} /> : <PastPolicy keyId={key} at={at} trail={trail} />;
}

/** The policy in force and its version. The two are asked one after the other, so the server says whether they belong together. */
async function openedPolicy(key: string, signal: AbortSignal): Promise<OpenedPolicy> {
  for (;;) {
    const { Policy: text = "" } = await (await kms()).send(new GetKeyPolicyCommand({ KeyId: key, PolicyName: "default" }), { abortSignal: signal });
    const { version, unchanged } = await checkDraft(key, text, signal);
    if (unchanged) return { text, version, inForm: await hasForm(text, signal) };
  }
}

async function hasForm(text: string, signal: AbortSignal): Promise<boolean> {
  try {
    return (await v1().post("/v1/key-policies/read", { body: { policy: text } }, signal)).shown;
  } catch (thrown) {
    if (isAbort(thrown)) throw thrown;
    return false; // the policy view shows any text
  }
}

function PresentPolicy({ keyId, facts }: { keyId: string; facts: KeyFacts | null }) {
  const { query } = usePlace();
  const principal = current()?.identity.arn ?? "";
  const [answer, again] = useAnswer(`policy ${keyId}`, (signal) => openedPolicy(keyId, signal));
  const [draft, setDraft] = useState<KeptDraft | null>(() => keptDraft(principal, keyId));
  const [about, setAbout] = useState<string | null>(null);
  const [replaced, setReplaced] = useState<number | null>(null);
  const [losing, setLosing] = useState<{ verb: string; then: () => void } | null>(null);

  const opened = answer.value;
  const change = (changed: KeptDraft | null, of: string | null = null): void => {
    keepDraft(principal, keyId, changed);
    setDraft(changed);
    setAbout(of);
  };
  const write = (changed: string): void => {
    if (opened !== null && changed === opened.text) change(null);
    else if (draft !== null) change({ ...draft, text: changed });
    else if (opened !== null) change({ text: changed, version: opened.version, base: opened.text });
  };
  const anew = useAct();
  // A version that was put back is no work of the user's until they write on.
  const unlessLost = (verb: string, then: () => void): void => (draft === null || about !== null ? then() : setLosing({ verb, then }));
  const show = (next: string | undefined): void => changeQuery({ view: next });

  if (opened === null) {
    return answer.state === "fault" ? <Problem fault={answer.fault} again={again} /> : <Waiting text="Asking for the policy" />;
  }

  const wanted = query.get("view") ?? "";
  const view = wanted === "review" || VIEWS.some(({ id }) => id === wanted) ? wanted : opened.inForm ? "form" : "text";
  const readOnly = facts?.managed === true;
  // A draft that began from an earlier version is reviewed against that one first, which tells what changed since.
  const text = draft?.text ?? opened.text;
  if (view === "review" && draft !== null) {
    return (
      <SpaceBetween size="l">
        {anew.fault !== null && <Problem fault={anew.fault} />}
        <Review
          keyId={keyId}
          opened={draft.version === opened.version ? opened : { version: draft.version, text: draft.base }}
          draft={draft.text}
          about={about}
          onBack={() => show(undefined)}
          onReplaced={(version) => {
            change(null);
            setReplaced(version);
            changeQuery({ view: undefined }, { replace: true });
            again();
          }}
          onOpenAnew={() =>
            anew.run(
              () => openedPolicy(keyId, new AbortController().signal),
              (now) => {
                change({ text: draft.text, version: now.version, base: now.text }, about);
                again();
              },
            )
          }
        />
      </SpaceBetween>
    );
  }
  return (
    <SpaceBetween size="l">
      {answer.state === "fault" && <Problem fault={answer.fault} again={again} />}
      {replaced !== null && (
        <Alert type="success" dismissible i18nStrings={{ dismissAriaLabel: "Close" }} onDismiss={() => setReplaced(null)}>
          The policy was replaced: version {replaced} is in force.
        </Alert>
      )}
      <SegmentedControl
        label="View of the policy"
        selectedId={view === "review" ? null : view}
        options={VIEWS}
        onChange={({ detail }) => show(detail.selectedId)}
      />
      {view === "versions" ? (
        <Versions
          keyId={keyId}
          inForce={opened.version}
          readOnly={readOnly}
          onPutBack={({ document, version }) =>
            unlessLost("Put the version back", () => {
              change({ text: document, version: opened.version, base: opened.text }, `version ${version}`);
              show("review");
            })
          }
        />
      ) : (
        <DraftView
          keyId={keyId}
          opened={opened}
          text={text}
          began={draft?.version ?? null}
          readOnly={readOnly}
          onReview={() => show("review")}
          onDiscard={() => unlessLost("Discard the draft", () => change(null))}
        >
          {(fault) =>
            view === "form" ? (
              <FormView text={text} kind={facts} onText={write} onTextView={() => show("text")} />
            ) : (
              <TextView text={text} onText={write} fault={fault} readOnly={readOnly} />
            )
          }
        </DraftView>
      )}
      {losing !== null && (
        <ChangeModal
          title="Your draft is lost then"
          verb={losing.verb}
          work={() => Promise.resolve()}
          done={() => {
            setLosing(null);
            losing.then();
          }}
          close={() => setLosing(null)}
        >
          <Box variant="p">Nothing else keeps what you wrote. To keep it, cancel and review it first, or copy its text.</Box>
        </ChangeModal>
      )}
    </SpaceBetween>
  );
}
