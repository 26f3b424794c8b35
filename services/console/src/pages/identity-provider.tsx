/** One OpenID Connect provider: whose tokens it takes, and how a role trusts it. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import Textarea from "@cloudscape-design/components/textarea";
import { useState } from "react";

import { areThumbprints, hostOf, thumbprints, trustPolicy } from "../providers/names";
import { addClientId, provider, type Provider, putTag, remove, removeClientId, removeTag, setThumbprints, tagsOf } from "../providers/providers";
import { href, navigate, type PageProps } from "../router";
import { useAnswer } from "../shown/answer";
import { ChangeModal } from "../shown/change-modal";
import { DocumentText } from "../shown/document";
import { Listing } from "../shown/listing";
import { Problem } from "../shown/problem";
import { useSubject } from "../shown/subject";
import { Tags } from "../shown/tags";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import { NARROWEST } from "../shown/widths";

type Asking = { what: "delete" | "thumbprints" | "add" } | { what: "remove"; audience: string };

export default function IdentityProvider({ places }: PageProps) {
  const arn = places["arn"] ?? "";
  const [answer, again] = useAnswer(`provider ${arn}`, (signal) => provider(arn, signal));
  const [asking, ask] = useState<Asking | null>(null);
  const [round, setRound] = useState(0);
  const host = visible(hostOf(arn));
  useSubject(host);
  const found = answer.value;
  if (answer.state === "fault") return <Problem fault={answer.fault} again={again} />;
  if (found === null) return <Spinner size="large" />;
  const trust = trustPolicy(arn, found.clientIds[0] ?? "CLIENT_ID");
  const close = () => ask(null);
  const done = () => {
    close();
    again();
  };
  return (
    <SpaceBetween size="l">
      <Header variant="h1" actions={<Button onClick={() => ask({ what: "delete" })}>Delete</Button>}>
        {host}
      </Header>
      <Container header={<Header variant="h2">Summary</Header>}>
        <KeyValuePairs
          minColumnWidth={NARROWEST}
          columns={3}
          items={[
            { label: "ARN", value: visible(arn) },
            { label: "Provider URL", value: `https://${visible(found.host)}` },
            { label: "Created", value: <Time at={found.created} /> },
            { label: "Thumbprints", value: <Thumbprints of={found} change={() => ask({ what: "thumbprints" })} /> },
          ]}
        />
      </Container>
      <Listing
        title="Audiences"
        description="Client IDs: tokens that were made for anybody else are refused."
        question={`audiences ${found.clientIds.join(" ")}`}
        load={() => Promise.resolve({ items: found.clientIds, next: null })}
        keyOf={(each) => each}
        empty="This provider has no audience, so none of its tokens is taken."
        columns={[
          { id: "id", header: "Client ID", isRowHeader: true, cell: (each) => visible(each) },
          {
            id: "remove",
            header: "",
            cell: (each) => (
              <Button variant="inline-link" ariaLabel={`Remove ${visible(each)}`} onClick={() => ask({ what: "remove", audience: each })}>
                Remove
              </Button>
            ),
          },
        ]}
        actions={<Button onClick={() => ask({ what: "add" })}>Add audience</Button>}
      />
      <Container
        header={
          <Header
            variant="h2"
            description="For SUBJECT, write whom you mean: the sub of their tokens. A role without that condition lets in everybody whom the provider knows."
            actions={
              <CopyToClipboard
                textToCopy={trust}
                copyButtonText="Copy"
                copyButtonAriaLabel="Copy the trust policy"
                copySuccessText="Copied"
                copyErrorText="The browser did not copy it"
              />
            }
          >
            Trust policy for a role
          </Header>
        }
      >
        <DocumentText document={trust} label="Trust policy for a role" />
      </Container>
      <Tags
        description="Names and values that you choose, for search and for policies with aws:ResourceTag."
        question={`provider tags ${arn}`}
        round={round}
        load={(cursor, signal) => tagsOf(arn, cursor, signal)}
        empty="This provider has no tags."
        changes={{ put: (tag) => putTag(arn, tag), remove: (name) => removeTag(arn, name), changed: () => setRound((before) => before + 1) }}
      />
      {asking?.what === "delete" && (
        <ChangeModal
          title={`Delete ${host}`}
          verb="Delete"
          work={() => remove(arn)}
          done={() => navigate(href("/identity-providers"))}
          close={close}
        >
          <Box variant="p">
            Its tokens are refused from then on. Trust policies that name it stay, and let nobody in. Sessions that were begun go on until
            their time is up.
          </Box>
        </ChangeModal>
      )}
      {asking?.what === "thumbprints" && <EditThumbprints of={found} done={done} close={close} />}
      {asking?.what === "add" && <AddAudience arn={arn} done={done} close={close} />}
      {asking?.what === "remove" && (
        <ChangeModal
          title="Remove an audience"
          verb="Remove"
          work={() => removeClientId(arn, asking.audience)}
          done={done}
          close={close}
        >
          <Box variant="p">Tokens that were made for {visible(asking.audience)} are refused from then on.</Box>
        </ChangeModal>
      )}
    </SpaceBetween>
  );
}

function Thumbprints({ of, change }: { of: Provider; change: () => void }) {
  return (
    <SpaceBetween size="xs">
      {of.thumbprints.length === 0 ? "None" : of.thumbprints.map((each) => <div key={each}>{visible(each)}</div>)}
      <Button variant="inline-link" ariaLabel="Edit the thumbprints" onClick={change}>
        Edit
      </Button>
    </SpaceBetween>
  );
}

function EditThumbprints({ of, done, close }: { of: Provider; done: () => void; close: () => void }) {
  const [text, setText] = useState(of.thumbprints.join("\n"));
  const given = thumbprints(text);
  return (
    <ChangeModal
      title="Edit the thumbprints"
      verb="Save"
      work={() => setThumbprints(of.arn, given)}
      done={done}
      close={close}
      incomplete={!areThumbprints(given)}
    >
      <FormField
        label="Thumbprints"
        description="SHA-1 of a certificate of the provider, in hex, one in each line."
        errorText={areThumbprints(given) ? null : "A thumbprint has 40 hexadecimal digits."}
      >
        <Textarea value={text} rows={4} spellcheck={false} onChange={({ detail }) => setText(detail.value)} />
      </FormField>
    </ChangeModal>
  );
}

function AddAudience({ arn, done, close }: { arn: string; done: () => void; close: () => void }) {
  const [audience, setAudience] = useState("");
  return (
    <ChangeModal
      title="Add an audience"
      verb="Add"
      work={() => addClientId(arn, audience.trim())}
      done={done}
      close={close}
      incomplete={audience.trim() === ""}
    >
      <FormField label="Client ID">
        <Input value={audience} spellcheck={false} onChange={({ detail }) => setAudience(detail.value)} />
      </FormField>
    </ChangeModal>
  );
}
