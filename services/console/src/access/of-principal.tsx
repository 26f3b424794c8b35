/** For a principal: every key and what it could do with each; or what it gained and lost. */

import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import Pagination from "@cloudscape-design/components/pagination";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";

import { open, short } from "../policy/words";
import { asked, follow, href, useAsOf, useTrail } from "../router";
import { current } from "../session/session";
import { useAnswer } from "../shown/answer";
import { after, useCursor } from "../shown/cursor";
import { useLines } from "../shown/lines";
import { usePaged } from "../shown/paged";
import { Problem } from "../shown/problem";
import { visible } from "../shown/visible";
import { type ItemOf, v1 } from "../v1/client";
import { Changed, type ChangedLine, type InSum } from "./changed";
import type { Span } from "./span";
import { type Holder, Ways } from "./ways";

type Reach = ItemOf<"/v1/can-what/{principal}">;

const PAGE = 50;

export function OfPrincipal({ principal }: { principal: string }) {
  const [at] = useAsOf();
  const trail = useTrail();
  const account = current()?.identity.account ?? "";
  const question = `can what ${principal} ${at ?? ""} ${trail ?? ""}`;
  const cursor = useCursor(question);
  const [answer, again] = useAnswer(`${question} ${cursor.at}`, (signal) => {
    const query = { limit: PAGE, ...asked(at, trail), ...after(cursor.at) };
    return v1().get("/v1/can-what/{principal}", { path: { principal }, query }, signal);
  });
  const next = answer.value?.next ?? null;
  const roles = (answer.value?.roles ?? []) as unknown as Holder[];
  const { shown, pagination } = usePaged(question, roles);
  if (answer.state === "fault") return <Problem fault={answer.fault} again={again} />;
  return (
    <SpaceBetween size="l">
      <Table<Reach>
        wrapLines
        header={<Header variant="h2">{visible(`What ${short(principal, account)} can do`)}</Header>}
        ariaLabels={{ tableLabel: "Keys that the principal can use" }}
        loading={answer.state === "loading"}
        loadingText="Asking for keys"
        items={answer.value?.items ?? []}
        trackBy="arn"
        empty="It could do nothing with any key by itself."
        columnDefinitions={[
          {
            id: "key",
            header: "Key",
            isRowHeader: true,
            cell: (row) => (
              <Link href={href("/keys/{key}", { key: (trail === null ? row.key_id : row.arn) ?? "" })} onFollow={follow}>
                {visible(row.key_aliases.join(", ") || row.key_id || row.arn)}
              </Link>
            ),
          },
          { id: "sure", header: "Always", minWidth: 240, cell: (row) => visible(row.operations.join(", ")) || "–" },
          { id: "under", header: "Under conditions", minWidth: 240, cell: (row) => <Under under={row.under_conditions} /> },
          {
            id: "how",
            header: "How",
            minWidth: 140,
            cell: (row) => (
              <Button
                variant="inline-link"
                href={href("/access", {}, { key: (trail === null ? row.key_id : null) ?? row.arn, action: `kms:${row.operations[0] ?? Object.keys(row.under_conditions)[0] ?? "Decrypt"}` })}
                onFollow={follow}
              >
                Who else can
              </Button>
            ),
          },
        ]}
        pagination={<Pagination {...cursor.pagination(next)} />}
      />
      {roles.length > 0 && (
        <Table
          wrapLines
          header={
            <Header variant="h2" counter={`(${roles.length})`} description="In a session of a role it could do what the role could.">
              Roles that it could assume
            </Header>
          }
          ariaLabels={{ tableLabel: "Roles that the principal could assume" }}
          items={shown}
          pagination={pagination}
          columnDefinitions={[
            {
              id: "role",
              header: "Role",
              isRowHeader: true,
              cell: (row) => (
                <Link href={href("/access", {}, { principal: row.principal })} onFollow={follow}>
                  {visible(short(row.principal, account))}
                </Link>
              ),
            },
            { id: "ways", header: "By", minWidth: 280, cell: (row) => <Ways holder={row} account={account} /> },
          ]}
        />
      )}
    </SpaceBetween>
  );
}

/** Operations that share their conditions are named together. */
function Under({ under }: { under: Record<string, unknown> }) {
  const groups = new Map<string, string[]>();
  for (const [operation, told] of Object.entries(under)) {
    const { paths } = told as Pick<Holder, "paths">;
    const words = open(paths[0]?.open ?? []) || "unless denied";
    groups.set(words, [...(groups.get(words) ?? []), operation]);
  }
  if (groups.size === 0) return <>–</>;
  return (
    <>
      {[...groups].map(([words, operations]) => (
        <div key={words}>{visible(`${operations.join(", ")}: ${words}`)}</div>
      ))}
    </>
  );
}

export function OfPrincipalBetween({ principal, span }: { principal: string; span: Span }) {
  const account = current()?.identity.account ?? "";
  const trail = useTrail();
  const query = { from: span.from, ...(span.to === null ? {} : { to: span.to }), ...asked(null, trail) };
  const question = `could what ${principal} ${JSON.stringify(query)}`;
  const [answer, again] = useLines<ChangedLine, InSum>(
    question,
    (signal) => v1().lines("get", "/v1/could-what/{principal}", { path: { principal }, query }, signal),
    (line) => "change" in line,
  );
  return <Changed question={question} answer={answer} again={again} account={account} title="What it gained and lost" ofKeys />;
}
