/** The account's keys, a page of the server's at a time: 100,000 of them are as quick as ten. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import Pagination from "@cloudscape-design/components/pagination";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import Table, { type TableProps } from "@cloudscape-design/components/table";

import { follow, href, navigate } from "../router";
import { useAnswer } from "../shown/answer";
import { after, useCursor } from "../shown/cursor";
import { Problem } from "../shown/problem";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import { type ItemOf, v1 } from "../v1/client";

type Key = ItemOf<"/v1/keys">;

const PAGE = 50;

const COLUMNS: TableProps.ColumnDefinition<Key>[] = [
  {
    id: "alias",
    header: "Aliases",
    cell: (key) => visible(key.key_aliases.map((each) => each.replace(/^alias\//, "")).join(", ")) || "–",
  },
  {
    id: "key",
    header: "Key ID",
    isRowHeader: true,
    cell: (key) => (
      <Link href={href("/keys/{key}", { key: key.key_id ?? "" })} onFollow={follow}>
        {visible(key.key_id ?? "")}
      </Link>
    ),
  },
  { id: "state", header: "Status", cell: (key) => <State state={key.state} /> },
  { id: "spec", header: "Key spec", cell: (key) => key.spec },
  { id: "usage", header: "Key usage", cell: (key) => key.usage },
  { id: "description", header: "Description", cell: (key) => visible(key.description) || "–" },
  { id: "created", header: "Created", cell: (key) => <Time at={key.created_at} /> },
];

function State({ state }: { state: string }) {
  const type = state === "Enabled" ? "success" : state === "Disabled" ? "stopped" : state === "PendingDeletion" ? "warning" : "info";
  return <StatusIndicator type={type}>{state}</StatusIndicator>;
}

export default function Keys() {
  const cursor = useCursor("keys");
  const [answer, again] = useAnswer(`keys ${cursor.at}`, (signal) =>
    v1().get("/v1/keys", { query: { limit: PAGE, ...after(cursor.at) } }, signal),
  );
  const found = answer.value;
  const next = found?.next ?? null;

  return (
    <SpaceBetween size="m">
      {answer.state === "fault" && <Problem fault={answer.fault} again={again} />}
      <Table
        variant="full-page"
        stickyHeader
        header={
          <Header
            variant="awsui-h1-sticky"
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Button iconName="refresh" ariaLabel="Ask again" onClick={again} />
                <Button variant="primary" onClick={() => navigate(href("/keys/create"))}>
                  Create key
                </Button>
              </SpaceBetween>
            }
          >
            Customer managed keys
          </Header>
        }
        columnDefinitions={COLUMNS}
        items={found?.items ?? []}
        trackBy={(key) => key.key_id ?? ""}
        loading={answer.state === "loading" && found === null}
        loadingText="Asking for keys"
        ariaLabels={{ tableLabel: "Customer managed keys" }}
        empty={
          answer.state === "there" && (
            <Box textAlign="center" padding="l">
              <Box variant="p">This account has no keys.</Box>
              <Button onClick={() => navigate(href("/keys/create"))}>Create key</Button>
            </Box>
          )
        }
        pagination={<Pagination {...cursor.pagination(next)} />}
      />
    </SpaceBetween>
  );
}
