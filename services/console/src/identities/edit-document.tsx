/** A policy that is changed in a dialog. It is read when the dialog opens, since the page may be hours old, and again before it is
 * put. A text that a reload has kept says that it is one. */

import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Textarea from "@cloudscape-design/components/textarea";
import type { IAMClient } from "@aws-sdk/client-iam";
import { type ReactNode, useState } from "react";

import { iam } from "../aws";
import { Waiting } from "../policy/alerts-raised";
import { TextDiff } from "../policy/text-difference";
import { useAnswer } from "../shown/answer";
import { ChangeModal } from "../shown/change-modal";
import { useDraft } from "../shown/draft";
import { Overtaken, unlessOvertaken } from "../shown/overtaken";
import { Problem } from "../shown/problem";

interface EditProps {
  title: string;
  verb?: string;
  label: string;
  /** Names the document, and the draft of it. */
  subject: string;
  /** The document as it is now. */
  ask: (signal: AbortSignal) => Promise<string>;
  /** The text to begin with, if it is not the document as it is. */
  begin?: string;
  put: (client: IAMClient, text: string) => Promise<unknown>;
  done: () => void;
  close: () => void;
  /** Below the text. */
  children?: ReactNode;
}

export function EditDocument({ title, verb = "Put", label, subject, ask, begin, put, done, close, children }: EditProps) {
  const [answer, again] = useAnswer(subject, ask);
  const draft = useDraft(subject);
  const [found] = useState(draft.own !== null);
  const [seen, setSeen] = useState<string | null>(null);
  const [taken, setTaken] = useState<string | null>(null);
  const newest = seen ?? answer.value;
  const base = draft.own?.base ?? taken ?? answer.value ?? "";
  const text = draft.own?.text ?? taken ?? begin ?? answer.value ?? "";
  const overtaken = newest !== null && newest !== base;
  return (
    <ChangeModal
      title={title}
      verb={verb}
      incomplete={newest === null || overtaken || text.trim() === ""}
      work={async () => {
        const client = await iam(); // taken before the wait: a click that was meant for a role is not made by its user
        return unlessOvertaken(base, () => ask(new AbortController().signal), () => put(client, text));
      }}
      done={(instead) => {
        if (instead !== null) {
          setSeen(instead.now);
          return;
        }
        draft.forget();
        done();
      }}
      close={() => {
        draft.forget();
        close();
      }}
    >
      {answer.state === "fault" && <Problem fault={answer.fault} again={again} />}
      {newest === null && answer.state === "loading" && <Waiting text="Asking for the policy" />}
      {found && draft.own !== null && (
        <Alert
          type="info"
          action={
            <Button formAction="none" onClick={draft.forget}>
              Discard the draft
            </Button>
          }
        >
          This is a draft that you began before. It is not in force.
        </Alert>
      )}
      {overtaken && (
        <Overtaken
          what="the policy"
          keep={() => draft.write(text, newest)}
          take={() => {
            draft.forget();
            setTaken(newest);
          }}
        >
          <TextDiff before={base} after={newest} />
        </Overtaken>
      )}
      {newest !== null && (
        <FormField label={label} stretch>
          <Textarea value={text} rows={14} spellcheck={false} onChange={({ detail }) => draft.write(detail.value, base)} />
        </FormField>
      )}
      {children}
    </ChangeModal>
  );
}
