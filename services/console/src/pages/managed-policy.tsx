/** One managed policy: its text, its versions, and whom it is attached to. */

import { GetPolicyCommand, ListEntitiesForPolicyCommand } from "@aws-sdk/client-iam";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";

import { iam } from "../aws";
import { MakeEvidence } from "../evidence/make-evidence";
import { paged, piece } from "../identities/kinds";
import { RemoveIdentity } from "../identities/remove-identity";
import { PolicyVersions, versionText } from "../identities/policy-versions";
import { follow, href, type PageProps } from "../router";
import { useAnswer } from "../shown/answer";
import { DocumentText } from "../shown/document";
import { Listing } from "../shown/listing";
import { Problem } from "../shown/problem";
import { Time } from "../shown/time";
import { useSubject } from "../shown/subject";
import { visible } from "../shown/visible";
import { NARROWEST } from "../shown/widths";

export default function ManagedPolicy({ places, query }: PageProps) {
  const arn = places["arn"] ?? "";
  const wanted = query.get("version");
  const [answer, again] = useAnswer(`policy ${arn}`, async (abortSignal) => {
    return (await (await iam()).send(new GetPolicyCommand({ PolicyArn: arn }), { abortSignal })).Policy ?? {};
  });
  const found = answer.value;
  const version = found === null ? null : (wanted ?? found.DefaultVersionId ?? "v1");
  const [text, textAgain] = useAnswer(`policy ${arn} ${version ?? ""}`, (signal) =>
    version === null ? Promise.resolve(null) : versionText(arn, version, signal),
  );
  useSubject(visible(found?.PolicyName ?? ""));
  if (answer.state === "fault") return <Problem fault={answer.fault} again={again} />;
  if (found === null) return <Spinner size="large" />;
  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <MakeEvidence about={{ principal: arn }} />
            <RemoveIdentity kind="policy" name={arn} shown={found.PolicyName ?? ""} />
          </SpaceBetween>
        }
      >
        {visible(found.PolicyName ?? "")}
      </Header>
      <Container header={<Header variant="h2">Summary</Header>}>
        <KeyValuePairs
          minColumnWidth={NARROWEST}
          columns={3}
          items={[
            { label: "ARN", value: visible(arn) },
            { label: "Version in force", value: visible(found.DefaultVersionId ?? "") },
            { label: "Created", value: <Time at={found.CreateDate} /> },
          ]}
        />
      </Container>
      <Container header={<Header variant="h2">Version {visible(version ?? "")}</Header>}>
        {text.state === "fault" && <Problem fault={text.fault} again={textAgain} />}
        {text.value === null ? text.state === "loading" && <Spinner /> : <DocumentText document={text.value} label={`Version ${visible(version ?? "")}`} />}
      </Container>
      <PolicyVersions arn={arn} begin={wanted === null ? undefined : (text.value ?? undefined)} changed={again} />
      <Listing
        title="Attached to"
        question={`entities ${arn}`}
        load={async (cursor, abortSignal) => {
          const all = await (await iam()).send(new ListEntitiesForPolicyCommand({ PolicyArn: arn, ...paged(cursor) }), { abortSignal });
          const names = [
            ...(all.PolicyUsers ?? []).map((each) => ["users", each.UserName ?? ""] as const),
            ...(all.PolicyGroups ?? []).map((each) => ["groups", each.GroupName ?? ""] as const),
            ...(all.PolicyRoles ?? []).map((each) => ["roles", each.RoleName ?? ""] as const),
          ];
          return piece(names, all);
        }}
        keyOf={([kind, name]) => `${kind}/${name}`}
        empty="It is attached to nobody."
        columns={[
          {
            id: "name",
            header: "Name",
            isRowHeader: true,
            cell: ([kind, name]) => (
              <Link href={href(`/${kind}/{name}`, { name })} onFollow={follow}>
                {visible(name)}
              </Link>
            ),
          },
          { id: "kind", header: "Kind", cell: ([kind]) => kind.slice(0, -1) },
        ]}
      />
    </SpaceBetween>
  );
}
