/** A user, group or role as it was, with every policy that applied to it. */

import Container from "@cloudscape-design/components/container";
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";

import { asked, type PageProps, useAsOf, usePlace, useTrail } from "../router";
import { useAnswer } from "../shown/answer";
import { DocumentText } from "../shown/document";
import { principalName } from "../shown/names";
import { Problem } from "../shown/problem";
import { Time } from "../shown/time";
import { useSubject } from "../shown/subject";
import { visible } from "../shown/visible";
import { NARROWEST } from "../shown/widths";
import { v1 } from "../v1/client";

interface PrincipalAtATime {
  arn: string;
  /** Null where a trail does not show it, as with `created_at`. */
  id: string | null;
  kind: string;
  created_at: string | null;
  /** What a trail does not show: the policies that it had before the trail began. */
  unknown?: string;
  tags: Record<string, string>;
  inline: Record<string, unknown>;
  attached: Record<string, unknown>;
  groups?: (string | { arn?: string; name?: string; inline?: Record<string, unknown>; attached?: Record<string, unknown> })[];
  access_keys?: Record<string, string>;
  trust?: unknown;
  boundary?: unknown;
}

const NOT_SHOWN = "The trail does not show it";

export default function PrincipalThen({ places }: PageProps) {
  const [at] = useAsOf();
  const { path } = usePlace();
  const kind = path.startsWith("/roles/") ? "role" : path.startsWith("/groups/") ? "group" : "user";
  const place = places["name"] ?? "";
  const name = place.startsWith("arn:") ? place : `${kind}/${place}`;
  const trail = useTrail();
  const [answer, again] = useAnswer(`${name} as of ${at ?? ""} ${trail ?? ""}`, (signal) =>
    v1().get("/v1/as-of/principals/{principal}", { path: { principal: name }, query: asked(at, trail) }, signal),
  );
  useSubject(visible(place));
  if (answer.state === "fault") return <Problem fault={answer.fault} again={again} />;
  if (answer.value === null) return <Spinner size="large" />;
  const found = answer.value.principal as unknown as PrincipalAtATime;
  const pairs = (of: Record<string, string>) =>
    Object.entries(of)
      .map(([key, value]) => `${visible(key)}: ${visible(value)}`)
      .join(", ") || "–";
  return (
    <SpaceBetween size="m">
      <Header variant="h1">{principalName(found.arn)}</Header>
      <Container header={<Header variant="h2">As it was then</Header>}>
        <KeyValuePairs
          minColumnWidth={NARROWEST}
          columns={3}
          items={[
            { label: "ARN", value: visible(found.arn) },
            { label: "Unique id", value: found.id === null ? NOT_SHOWN : visible(found.id) },
            { label: "Created", value: found.created_at === null ? NOT_SHOWN : <Time at={found.created_at} /> },
            { label: "Tags", value: pairs(found.tags) },
            { label: "Access keys", value: pairs(found.access_keys ?? {}) },
            { label: "As it was since", value: `@${answer.value.as_since}` },
          ]}
        />
      </Container>
      {found.unknown !== undefined && (
        <Alert type="info" header="Part of it is not known">
          What it was before the trail began: {visible(found.unknown)}.
        </Alert>
      )}
      <Documents title="Inline policies" of={found.inline} />
      <Documents title="Attached policies" of={found.attached} />
      {found.groups !== undefined && found.groups.length > 0 && <Documents title="Groups" of={Object.fromEntries(found.groups.map((each, index) => [groupName(each, index), each]))} />}
      {found.trust !== undefined && <Documents title="Trust policy" of={{ "Who may assume the role": found.trust }} />}
      {found.boundary !== undefined && found.boundary !== null && <Documents title="Permissions boundary" of={{ Boundary: found.boundary }} />}
    </SpaceBetween>
  );
}

function groupName(group: NonNullable<PrincipalAtATime["groups"]>[number], index: number): string {
  return typeof group === "string" ? group : (group.arn ?? group.name ?? String(index));
}

function Documents({ title, of }: { title: string; of: Record<string, unknown> }) {
  const all = Object.entries(of);
  return (
    <Container header={<Header variant="h2">{title}</Header>}>
      {all.length === 0 ? (
        <Box color="text-body-secondary">There were none.</Box>
      ) : (
        all.map(([name, document]) => (
          <div key={name}>
            <Box variant="h3">{visible(name)}</Box>
            {document === null ? <Box color="text-body-secondary">{NOT_SHOWN}</Box> : <DocumentText document={document} label={visible(name)} />}
          </div>
        ))
      )}
    </Container>
  );
}
