/** For a key and an operation: everyone who could, by which way, as a list and as a picture; or who gained and lost it. */

import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";

import { Waiting } from "../policy/alerts-raised";
import { who } from "../policy/words";
import { asked, follow, href, useAsOf, useTrail } from "../router";
import { current } from "../session/session";
import { useAnswer } from "../shown/answer";
import { useLines } from "../shown/lines";
import { usePaged } from "../shown/paged";
import { Problem } from "../shown/problem";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import { v1 } from "../v1/client";
import { Changed, type ChangedLine, type InSum } from "./changed";
import { drawn } from "./drawing";
import { Picture } from "./picture";
import type { Span } from "./span";
import { Certainty, type Holder, wayInWords, Ways } from "./ways";

const MOST_DRAWN = 60;

export function OfKey({ keyName, action }: { keyName: string; action: string }) {
  const [at] = useAsOf();
  const trail = useTrail();
  const account = current()?.identity.account ?? "";
  const question = `who can ${keyName} ${action} ${at ?? ""} ${trail ?? ""}`;
  const [answer, again] = useAnswer(question, (signal) =>
    v1().get("/v1/who-can/{reference}", { path: { reference: keyName }, query: { action, ...asked(at, trail) } }, signal),
  );
  const holders = (answer.value?.items ?? []) as unknown as Holder[];
  const { shown, pagination } = usePaged(question, holders);
  if (answer.state === "fault") return <Problem fault={answer.fault} again={again} />;
  if (answer.state === "loading") return <Waiting text={`Asking who can call ${action}`} />;
  const title = `Who can call ${action}`;
  return (
    <SpaceBetween size="l">
      <Table
        wrapLines
        header={
          <Header
            variant="h2"
            counter={`(${holders.length})`}
            description={
              <>
                As of <Time at={answer.value.at} /> (@{answer.value.position})
              </>
            }
          >
            {title}
          </Header>
        }
        ariaLabels={{ tableLabel: title }}
        items={shown}
        pagination={pagination}
        trackBy="principal"
        empty={`Nobody can call ${action} on this key.`}
        columnDefinitions={[
          {
            id: "principal",
            header: "Principal",
            isRowHeader: true,
            cell: (row) => (
              <Link href={href("/access", {}, { principal: row.principal })} onFollow={follow}>
                {visible(who(row.principal, account))}
              </Link>
            ),
          },
          { id: "kind", header: "Kind", cell: (row) => visible(row.kind ?? "") || "–" },
          { id: "sure", header: "When", minWidth: 180, cell: (row) => <Certainty sure={row.for_sure} /> },
          { id: "ways", header: "By", minWidth: 280, cell: (row) => <Ways holder={row} account={account} /> },
        ]}
      />
      {holders.length > 0 && (
        <Container header={<Header variant="h2">As a picture</Header>}>
          <Picture
            title={`${title}: ${holders.length} principals`}
            drawing={drawn(
              holders.slice(0, MOST_DRAWN),
              (way) => wayInWords(way, account),
              (holder) => who(holder.principal, account),
              keyName,
            )}
          />
          {holders.length > MOST_DRAWN && (
            <Box color="text-body-secondary">
              The first {MOST_DRAWN} of {holders.length} principals are drawn; the list has all.
            </Box>
          )}
        </Container>
      )}
    </SpaceBetween>
  );
}

export function OfKeyBetween({ keyName, action, span }: { keyName: string; action: string; span: Span }) {
  const account = current()?.identity.account ?? "";
  const trail = useTrail();
  const query = { action, from: span.from, ...(span.to === null ? {} : { to: span.to }), ...asked(null, trail) };
  const question = `who could ${keyName} ${JSON.stringify(query)}`;
  const [answer, again] = useLines<ChangedLine, InSum>(
    question,
    (signal) => v1().lines("get", "/v1/who-could/{reference}", { path: { reference: keyName }, query }, signal),
    (line) => "change" in line,
  );
  return <Changed question={question} answer={answer} again={again} account={account} title={`Who gained and lost ${action}`} ofKeys={false} />;
}
