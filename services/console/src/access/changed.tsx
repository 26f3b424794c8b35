/** Who gained and who lost between two times, and by which change. */

import Box from "@cloudscape-design/components/box";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table, { type TableProps } from "@cloudscape-design/components/table";

import { short, who } from "../policy/words";
import { follow, href } from "../router";
import { type LinesAnswer } from "../shown/lines";
import { LongText } from "../shown/long-text";
import { MOST } from "../shown/newest";
import { usePaged } from "../shown/paged";
import { Problem } from "../shown/problem";
import { summaryWords } from "../shown/summary";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";

export interface Change {
  position: number;
  at?: string;
  principal: string;
  operation: string;
  summary: string;
  call_id?: string;
  source?: string;
}

/** Of /v1/who-could each is a principal's row; of /v1/could-what an operation. */
export interface ChangedLine {
  change: Change;
  key_id?: string | null;
  key_aliases?: string[];
  gained: (string | { principal: string })[];
  lost: (string | { principal: string })[];
  changed: (string | { principal: string })[];
}

export interface InSum {
  changes: number;
  gained?: string[];
  lost?: string[];
}

interface ChangedProps {
  question: string;
  answer: LinesAnswer<ChangedLine, InSum>;
  again: () => void;
  account: string;
  title: string;
  ofKeys: boolean;
}

export function Changed({ question, answer, again, account, title, ofKeys }: ChangedProps) {
  const listed = (some: ChangedLine["gained"]) => <LongText text={some.map((each) => named(each, account)).join(", ") || "–"} />;
  const columns: TableProps.ColumnDefinition<ChangedLine>[] = [
    { id: "at", header: "When", minWidth: 130, cell: ({ change }) => <Time at={change.at} /> },
    { id: "who", header: "By whom", cell: ({ change }) => visible(short(change.principal, account)) },
    {
      id: "change",
      header: "Change",
      minWidth: 200,
      isRowHeader: true,
      cell: ({ change }) =>
        change.call_id === undefined ? (
          <LongText text={summaryWords(change.summary || change.operation)} />
        ) : (
          <Link href={href("/decisions/{call}", { call: change.call_id })} onFollow={follow}>
            <LongText text={summaryWords(change.summary || change.operation)} />
          </Link>
        ),
    },
    ...(ofKeys
      ? [{ id: "key", header: "Key", cell: (row: ChangedLine) => visible(row.key_aliases?.join(", ") || row.key_id || "") || "–" }]
      : []),
    { id: "gained", header: "Gained", minWidth: 160, cell: (row) => listed(row.gained) },
    { id: "lost", header: "Lost", minWidth: 160, cell: (row) => listed(row.lost) },
    { id: "changed", header: "Under other conditions", minWidth: 160, cell: (row) => listed(row.changed) },
  ];
  const { shown, pagination } = usePaged(question, [...answer.lines].reverse());
  return (
    <SpaceBetween size="s">
      {answer.fault !== null && <Problem fault={answer.fault} again={again} />}
      {answer.state === "loading" && (
        <ProgressBar
          value={answer.of === null || answer.of === 0 || answer.done === null ? 0 : (100 * answer.done) / answer.of}
          label="Following the changes"
        />
      )}
      {answer.state !== "fault" && (
        <Table
          wrapLines
          header={
            <Header variant="h2" counter={answer.state === "there" ? `(${answer.lines.length}${answer.cut ? "+" : ""})` : ""}>
              {title}
            </Header>
          }
          ariaLabels={{ tableLabel: title }}
          columnDefinitions={columns}
          items={shown}
          pagination={pagination}
          empty={answer.state === "there" ? "Nobody gained or lost anything in this time." : "Nothing yet."}
        />
      )}
      {answer.cut && <OnlyNewest />}
      {answer.result !== null && (answer.result.gained?.length ?? 0) + (answer.result.lost?.length ?? 0) > 0 && (
        <Box>
          Over the whole time: gained {visible((answer.result.gained ?? []).map((each) => who(each, account)).join(", ")) || "nobody"};
          lost {visible((answer.result.lost ?? []).map((each) => who(each, account)).join(", ")) || "nobody"}.
        </Box>
      )}
      {answer.began !== null && (
        <Box color="text-body-secondary">
          The record begins at <Time at={answer.began} />.
        </Box>
      )}
    </SpaceBetween>
  );
}

export function OnlyNewest() {
  return <Box color="text-body-secondary">Only the newest {MOST.toLocaleString()} are shown. Choose a shorter time to see those before.</Box>;
}

function named(each: string | { principal: string }, account: string): string {
  return typeof each === "string" ? each.replace(/^kms:/, "") : who(each.principal, account);
}
