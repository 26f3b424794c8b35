/** A table that asks for its own rows, a page of the server's at a time, and shows whatever comes instead of them. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Pagination from "@cloudscape-design/components/pagination";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table, { type TableProps } from "@cloudscape-design/components/table";
import type { ReactNode } from "react";

import { useAnswer } from "./answer";
import { useCursor } from "./cursor";
import { PAGE, usePaged } from "./paged";
import { Problem } from "./problem";

/** Some of a list; `next` asks for what follows, null at its end. */
export interface Piece<T> {
  items: readonly T[];
  next: string | null;
}

export interface ListingProps<T> {
  title: string;
  description?: ReactNode;
  /** Stands for everything that `load` reads but the cursor; it stands for other rows when it changes. */
  question: string;
  /** A larger number asks the same question again. */
  round?: number;
  /** `cursor` is "" for the first piece. */
  load: (cursor: string, signal: AbortSignal) => Promise<Piece<T>>;
  columns: readonly TableProps.ColumnDefinition<T>[];
  keyOf: (item: T) => string;
  empty: string;
  actions?: ReactNode;
}

export function Listing<T>({ title, description, question, round = 0, load, columns, keyOf, empty, actions }: ListingProps<T>) {
  const cursor = useCursor(`${question} ${round}`); // what a change made stands on the first page
  const [answer, again] = useAnswer(`${question} ${cursor.at}`, (signal) => load(cursor.at, signal), round);
  const next = answer.value?.next ?? null;
  // Some lists come as a whole, however long they are; the last piece of another one is never longer than a page.
  const whole = cursor.at === "" && next === null;
  const items = answer.value?.items ?? [];
  const { shown, pagination } = usePaged(`${question} ${round}`, items);
  // A table without rows would say that there are none.
  if (answer.state === "fault" && (answer.fault.kind === "refused" || answer.value === null)) return <Problem fault={answer.fault} again={again} />;
  return (
    <SpaceBetween size="m">
      {answer.state === "fault" && <Problem fault={answer.fault} again={again} />}
      <Table
        variant="container"
        wrapLines
        header={
          <Header
            variant="h2"
            description={description}
            counter={whole && items.length > PAGE ? `(${items.length})` : undefined}
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Button iconName="refresh" ariaLabel={`Ask again: ${title}`} onClick={again} />
                {actions}
              </SpaceBetween>
            }
          >
            {title}
          </Header>
        }
        columnDefinitions={columns}
        items={whole ? shown : items}
        trackBy={keyOf}
        loading={answer.state === "loading" && answer.value === null}
        loadingText="Asking"
        ariaLabels={{ tableLabel: title }}
        empty={
          answer.state === "there" && (
            <Box textAlign="center" padding="m" color="text-body-secondary">
              {empty}
            </Box>
          )
        }
        pagination={whole ? pagination : <Pagination {...cursor.pagination(next)} />}
      />
    </SpaceBetween>
  );
}
