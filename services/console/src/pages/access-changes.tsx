/** Every change of who may do what in a span: who gained what and who lost what, by which change. */

import Badge from "@cloudscape-design/components/badge";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import ContentLayout from "@cloudscape-design/components/content-layout";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Link from "@cloudscape-design/components/link";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";

import { type Change, OnlyNewest } from "../access/changed";
import { type Span, SpanChoice, spanOf, USUAL_DAYS } from "../access/span";
import { condition, short, type ShownCondition, type ShownPrincipal, whom } from "../policy/words";
import { asked, changeQuery, follow, href, type PageProps, useAsOf, useTrail } from "../router";
import { current } from "../session/session";
import { useAskedAt } from "../shown/asked-at";
import { useFollowing } from "../shown/following";
import { useLines } from "../shown/lines";
import { LongText } from "../shown/long-text";
import { usePaged } from "../shown/paged";
import { Problem } from "../shown/problem";
import { upTo } from "../shown/span";
import { summaryWords } from "../shown/summary";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import { v1 } from "../v1/client";

/** A set of requests that is answered differently since. */
interface Set {
  who?: ShownPrincipal[] | string[];
  principals?: ShownPrincipal[];
  actions: string[];
  conditions?: ShownCondition[];
  /** Of a statement of an identity's policy, and of a grant. */
  condition?: object;
  constraints?: object | null;
}

interface Row {
  change: Change;
  kind: string | null;
  keys: { key_id: string; key_aliases: string[] }[];
  about: string[];
  gained?: Set[];
  lost?: Set[];
  unknown?: unknown[];
}

const PRINCIPAL = /^(?:arn:aws:(?:iam|sts):|user\/|role\/|group\/|policy\/)/;
const MOST_ACTIONS = 6;

export default function AccessChanges({ query }: PageProps) {
  const usual = new URLSearchParams(query);
  usual.set("days", USUAL_DAYS);
  const [now] = useAskedAt(query.toString());
  const span = spanOf(query, now) ?? spanOf(usual, now);
  const about = query.get("about") ?? "";
  const [text, setText] = useFollowing(about);
  const ask = (): void => changeQuery({ about: text.trim() });
  return (
    <ContentLayout header={<Header variant="h1">What changed</Header>}>
      <SpaceBetween size="l">
        <Container>
          <SpaceBetween size="m">
            <FormField
              label="Key or principal"
              constraintText="A key (id, ARN or alias/NAME) or the ARN of a user, group, role or policy; everything where left empty"
              secondaryControl={<Button onClick={ask}>Ask</Button>}
            >
              <Input value={text} onChange={({ detail }) => setText(detail.value)} onKeyDown={({ detail }) => detail.key === "Enter" && ask()} />
            </FormField>
            <SpanChoice once={null} />
          </SpaceBetween>
        </Container>
        {span !== null && <Changes span={span} about={about} />}
      </SpaceBetween>
    </ContentLayout>
  );
}

function Changes({ span, about }: { span: Span; about: string }) {
  const account = current()?.identity.account ?? "";
  const [at] = useAsOf();
  const trail = useTrail();
  const subject = about === "" ? {} : PRINCIPAL.test(about) ? { principal: about } : { key: about };
  const to = upTo(at).to ?? span.to;
  const query = { from: span.from, ...(to === null ? {} : { to }), ...subject, ...asked(null, trail) };
  const [answer, again] = useLines<Row, { changes: number }>(
    `changes ${JSON.stringify(query)}`,
    (signal) => v1().lines("get", "/v1/changes", { query }, signal),
    (line) => "change" in line,
  );
  const { shown, pagination } = usePaged(JSON.stringify(query), [...answer.lines].reverse());
  if (answer.fault !== null) return <Problem fault={answer.fault} again={again} />;
  return (
    <SpaceBetween size="s">
      {answer.state === "loading" && (
        <ProgressBar
          value={answer.of === null || answer.of === 0 || answer.done === null ? 0 : (100 * answer.done) / answer.of}
          label="Following the changes"
        />
      )}
      <Table
        wrapLines
        header={
          <Header variant="h2" counter={answer.state === "there" ? `(${answer.lines.length}${answer.cut ? "+" : ""})` : ""}>
            Changes
          </Header>
        }
        ariaLabels={{ tableLabel: "Changes of who may do what" }}
        items={shown}
        pagination={pagination}
        empty={answer.state === "there" ? "Nobody changed who may do what in this time." : "Nothing yet."}
        columnDefinitions={[
          { id: "at", header: "When", minWidth: 130, cell: ({ change }) => <Time at={change.at} /> },
          {
            id: "who",
            header: "By whom, from where",
            minWidth: 130,
            cell: ({ change }) => visible(`${short(change.principal, account)}${change.source === undefined ? "" : `, ${change.source}`}`),
          },
          {
            id: "change",
            header: "Change",
            minWidth: 200,
            isRowHeader: true,
            cell: ({ change, kind }) => (
              <SpaceBetween size="xxs">
                {change.call_id === undefined ? (
                  <LongText text={summaryWords(change.summary || change.operation)} />
                ) : (
                  <Link href={href("/decisions/{call}", { call: change.call_id })} onFollow={follow}>
                    <LongText text={summaryWords(change.summary || change.operation)} />
                  </Link>
                )}
                {kind !== null && <Badge>{visible(kind)}</Badge>}
              </SpaceBetween>
            ),
          },
          {
            id: "keys",
            header: "Keys and identities",
            minWidth: 150,
            cell: (row) =>
              visible(
                [...row.keys.map((key) => key.key_aliases[0] ?? key.key_id), ...row.about.map((each) => short(each, account))].join(", "),
              ) || "–",
          },
          { id: "gained", header: "Gained", minWidth: 200, cell: (row) => <Sets sets={row.gained ?? []} account={account} /> },
          { id: "lost", header: "Lost", minWidth: 200, cell: (row) => <Sets sets={row.lost ?? []} account={account} /> },
        ]}
      />
      {answer.cut && <OnlyNewest />}
      {answer.began !== null && (
        <Box color="text-body-secondary">
          The record begins at <Time at={answer.began} />.
        </Box>
      )}
    </SpaceBetween>
  );
}

function Sets({ sets, account }: { sets: Set[]; account: string }) {
  if (sets.length === 0) return <>–</>;
  return (
    <>
      {sets.map((each, index) => {
        const more = each.actions.length - MOST_ACTIONS;
        const actions = each.actions.slice(0, MOST_ACTIONS).join(", ") + (more > 0 ? ` and ${more} more` : "");
        return (
          <div key={index}>
            <LongText text={`${names(each, account)}: ${actions}${where(each)}`} />
          </div>
        );
      })}
    </>
  );
}

function where(set: Set): string {
  const raw = [set.condition, set.constraints].filter((each) => each !== undefined && each !== null && Object.keys(each).length > 0);
  const words = [...(set.conditions ?? []).map(condition), ...raw.map((each) => JSON.stringify(each))];
  return words.length === 0 ? "" : `, where ${words.join("; and ")}`;
}

function names(set: Set, account: string): string {
  const given = set.who ?? set.principals ?? [];
  const words = given.map((each) => (typeof each === "string" ? short(each, account) : whom([each], account).join(", ")));
  return [...new Set(words)].join(", ");
}
