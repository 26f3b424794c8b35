/** The policies of a user, group or role: attached ones, and inline ones with their text. */

import Button from "@cloudscape-design/components/button";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Textarea from "@cloudscape-design/components/textarea";
import { useState } from "react";

import { follow } from "../router";
import { useAnswer } from "../shown/answer";
import { AskedFirst } from "../shown/asked-first";
import { ChangeModal } from "../shown/change-modal";
import { Choice } from "../shown/choice";
import { DocumentText } from "../shown/document";
import { useDraft } from "../shown/draft";
import { Listing } from "../shown/listing";
import { visible } from "../shown/visible";
import { EditDocument } from "./edit-document";
import { pageOf } from "./identity-list";
import { attach, attached, deleteInline, detach, inline, inlineDocument, type KindName, listPolicies, makeInline, MOST_CHOICES, putInline } from "./kinds";

interface Of {
  kind: KindName;
  name: string;
}

export function AttachedPolicies({ kind, name }: Of) {
  const [round, setRound] = useState(0);
  const [attaching, setAttaching] = useState(false);
  const changed = () => {
    setAttaching(false);
    setRound((before) => before + 1);
  };
  return (
    <SpaceBetween size="m">
      <Listing
        title="Attached policies"
        question={`attached ${kind} ${name}`}
        round={round}
        load={(cursor, signal) => attached(kind, name, cursor, signal)}
        keyOf={(item) => item.arn}
        empty="No policy is attached."
        columns={[
          {
            id: "name",
            header: "Policy",
            isRowHeader: true,
            cell: (item) => (
              <Link href={pageOf("policy", item)} onFollow={follow}>
                {visible(item.name)}
              </Link>
            ),
          },
          {
            id: "detach",
            header: "",
            cell: (item) => (
              <AskedFirst
                verb="Detach"
                what={item.name}
                then={`The ${kind} may no longer do what this policy alone allows, and is no longer denied what it alone denies.`}
                work={() => detach(kind, name, item.arn)}
                done={changed}
              />
            ),
          },
        ]}
        actions={<Button onClick={() => setAttaching(true)}>Attach policy</Button>}
      />
      {attaching && <Attach kind={kind} name={name} done={changed} close={() => setAttaching(false)} />}
    </SpaceBetween>
  );
}

function Attach({ kind, name, done, close }: Of & { done: () => void; close: () => void }) {
  const [arn, choose] = useState("");
  const [answer] = useAnswer("policies to attach", (signal) => listPolicies("", signal, MOST_CHOICES));
  return (
    <ChangeModal
      title="Attach policy"
      verb="Attach"
      work={() => attach(kind, name, arn.trim())}
      done={done}
      close={close}
      incomplete={arn.trim() === ""}
    >
      <Choice
        label="Policy"
        answer={answer}
        valueOf={(each) => each.arn}
        nameOf={(each) => each.name}
        chosen={arn}
        choose={choose}
        placeholder="Choose a policy, or type its ARN"
        empty="There are no managed policies."
      />
    </ChangeModal>
  );
}

export function InlinePolicies({ kind, name }: Of) {
  const [round, setRound] = useState(0);
  const [making, make] = useState(false);
  const [editing, edit] = useState<string | null>(null);
  const changed = () => {
    make(false);
    edit(null);
    setRound((before) => before + 1);
  };
  return (
    <SpaceBetween size="m">
      <Listing
        title="Inline policies"
        question={`inline ${kind} ${name}`}
        round={round}
        load={(cursor, signal) => inline(kind, name, cursor, signal)}
        keyOf={(item) => item.name}
        empty="There is no inline policy."
        columns={[
          {
            id: "name",
            header: "Policy",
            isRowHeader: true,
            minWidth: 200,
            cell: (item) => (
              <ExpandableSection headerText={visible(item.name)}>
                <DocumentText document={item.document} label={visible(item.name)} />
              </ExpandableSection>
            ),
          },
          {
            id: "change",
            header: "",
            cell: (item) => (
              <SpaceBetween direction="horizontal" size="s">
                <Button variant="inline-link" ariaLabel={`Edit ${visible(item.name)}`} onClick={() => edit(item.name)}>
                  Edit
                </Button>
                <AskedFirst
                  verb="Delete"
                  what={item.name}
                  then={`The policy is gone, with its text: the ${kind} may no longer do what it alone allows, and is no longer denied what it alone denies.`}
                  work={() => deleteInline(kind, name, item.name)}
                  done={changed}
                />
              </SpaceBetween>
            ),
          },
        ]}
        actions={<Button onClick={() => make(true)}>Create inline policy</Button>}
      />
      {making && <MakeInline kind={kind} name={name} done={changed} close={() => make(false)} />}
      {editing !== null && (
        <EditDocument
          title={`Edit ${visible(editing)}`}
          label="Policy"
          subject={`inline ${kind} ${name} ${editing}`}
          ask={async (signal) => (await inlineDocument(kind, name, editing, signal)).document}
          put={(client, text) => putInline(client, kind, name, editing, text)}
          done={changed}
          close={() => edit(null)}
        />
      )}
    </SpaceBetween>
  );
}

function MakeInline({ kind, name, done, close }: Of & { done: () => void; close: () => void }) {
  const [called, call] = useState("");
  const draft = useDraft(`inline ${kind} ${name} `);
  const text = draft.own?.text ?? "";
  return (
    <ChangeModal
      title="Create inline policy"
      verb="Put"
      work={() => makeInline(kind, name, called, text)}
      done={() => {
        draft.forget();
        done();
      }}
      close={() => {
        draft.forget();
        close();
      }}
      incomplete={called === "" || text === ""}
    >
      <FormField label="Name">
        <Input value={called} onChange={({ detail }) => call(detail.value)} />
      </FormField>
      <FormField label="Policy" stretch>
        <Textarea value={text} rows={14} spellcheck={false} onChange={({ detail }) => draft.write(detail.value, null)} />
      </FormField>
    </ChangeModal>
  );
}
