/** The account's keys, a page of the server's at a time: 100,000 of them are as quick as ten. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import ButtonDropdown from "@cloudscape-design/components/button-dropdown";
import CollectionPreferences from "@cloudscape-design/components/collection-preferences";
import Header from "@cloudscape-design/components/header";
import Pagination from "@cloudscape-design/components/pagination";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { type ReactNode, useState } from "react";

import { chooseColumns, columnsOf } from "../preferences";
import { changeQuery } from "../router";
import { useAnswer } from "../shown/answer";
import { after, useCursor } from "../shown/cursor";
import { Problem } from "../shown/problem";
import { v1 } from "../v1/client";
import { COLUMNS, displayOf, type ListedKey } from "./columns";
import { FIELDS } from "./filters";
import { KeyFilter } from "./key-filter";
import { applies, type ManyVerb } from "./many";
import { ManyModal } from "./many-modal";
import { type Overlay, overlaid } from "./overlay";

const PAGE = 50;
const VERBS: readonly { id: ManyVerb; text: string }[] = [
  { id: "enable", text: "Enable" },
  { id: "disable", text: "Disable" },
  { id: "schedule", text: "Schedule key deletion" },
  { id: "cancel", text: "Cancel key deletion" },
];

export interface KeyTableProps {
  title: string;
  description: string;
  manager: "customer" | "service";
  query: URLSearchParams;
  /** What stands there while the account has no such keys. */
  empty: ReactNode;
  /** Beside the button that asks again. */
  actions?: ReactNode;
}

export function KeyTable({ title, description, manager, query, empty, actions }: KeyTableProps) {
  const values = FIELDS.valuesOf(query);
  const question = JSON.stringify({ manager, ...values });
  const cursor = useCursor(question);
  const [answer, again] = useAnswer(`keys ${question} ${cursor.at}`, (signal) =>
    v1().get("/v1/keys", { query: { manager, ...values, limit: PAGE, ...after(cursor.at) } as never }, signal),
  );
  const [shown, setShown] = useState(() => displayOf(columnsOf("keys")));
  const [selected, select] = useState<readonly ListedKey[]>([]);
  const [overlay, setOverlay] = useState<Overlay>(new Map());
  const [doing, setDoing] = useState<ManyVerb | null>(null);
  const found = answer.value;
  const own = manager === "customer";
  const marked = overlaid(selected, overlay);
  const refused = answer.state === "fault" && answer.fault.kind === "refused";

  return (
    <SpaceBetween size="m">
      {answer.state === "fault" && <Problem fault={answer.fault} again={again} />}
      {!refused && (
        <Table
          variant="full-page"
          stickyHeader
          wrapLines
          header={
            <Header
              variant="awsui-h1-sticky"
              description={description}
              {...(selected.length === 0 ? {} : { counter: `(${selected.length} selected)` })}
              actions={
                <SpaceBetween direction="horizontal" size="xs">
                  <Button iconName="refresh" ariaLabel="Ask again" onClick={again} />
                  {own && (
                    <ButtonDropdown
                      disabled={selected.length === 0}
                      items={VERBS.map(({ id, text }) => {
                        const able = marked.some((each) => applies(id, each.state));
                        return { id, text, disabled: !able, disabledReason: "No selected key has a status that allows it." };
                      })}
                      onItemClick={({ detail }) => setDoing(detail.id as ManyVerb)}
                    >
                      Key actions
                    </ButtonDropdown>
                  )}
                  {actions}
                </SpaceBetween>
              }
            >
              {title}
            </Header>
          }
          filter={
            <KeyFilter values={values} placeholder="Find keys by alias, id, ARN, status, spec, usage, origin, tag or description" />
          }
          preferences={
            <CollectionPreferences
              title="Preferences"
              confirmLabel="Confirm"
              cancelLabel="Cancel"
              preferences={{ contentDisplay: shown }}
              contentDisplayPreference={{
                title: "Columns",
                description: "Which columns are shown, and in which order. This browser remembers it.",
                options: COLUMNS.map(({ id, header }) => ({ id, label: header, alwaysVisible: id === "key" })),
              }}
              onConfirm={({ detail }) => {
                const chosen = (detail.contentDisplay ?? []).filter((each) => each.visible).map((each) => each.id);
                chooseColumns("keys", chosen);
                setShown(displayOf(chosen));
              }}
            />
          }
          columnDefinitions={COLUMNS}
          columnDisplay={shown}
          items={overlaid(found?.items ?? [], overlay)}
          trackBy={(key) => key.arn}
          {...(own
            ? {
                selectionType: "multi" as const,
                selectedItems: marked,
                onSelectionChange: ({ detail }: { detail: { selectedItems: ListedKey[] } }) => select(detail.selectedItems),
              }
            : {})}
          loading={answer.state === "loading" && found === null}
          loadingText="Asking for keys"
          ariaLabels={{
            tableLabel: title,
            selectionGroupLabel: "Selected keys",
            allItemsSelectionLabel: () => "Select all keys on this page",
            itemSelectionLabel: (_, key) => `Select key ${key.key_id ?? ""}`,
          }}
          empty={answer.state === "there" && (Object.keys(values).length === 0 ? empty : <NoMatch />)}
          pagination={<Pagination {...cursor.pagination(found?.next ?? null)} />}
        />
      )}
      {doing !== null && (
        <ManyModal
          verb={doing}
          selected={marked}
          changed={({ arn, key_id: id, position }, state) => {
            setOverlay((all) => new Map(all).set(id ?? "", { state, before: position }));
            select((all) => all.filter((each) => each.arn !== arn));
          }}
          close={() => {
            setDoing(null);
            again();
          }}
        />
      )}
    </SpaceBetween>
  );
}

function NoMatch() {
  return (
    <Box textAlign="center" padding="l">
      <Box variant="p">No key matches. Fewer filters may find some.</Box>
      <Button onClick={() => changeQuery(FIELDS.queryOf([], {}))}>Clear the filters</Button>
    </Box>
  );
}
