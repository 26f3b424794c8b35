/** Chooses users and roles of the account: from a list that can be searched, or by their ARNs. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Pagination from "@cloudscape-design/components/pagination";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import TextFilter from "@cloudscape-design/components/text-filter";
import TokenGroup from "@cloudscape-design/components/token-group";
import { useMemo, useState } from "react";

import { useAnswer } from "../shown/answer";
import { principalName } from "../shown/names";
import { Problem } from "../shown/problem";
import { visible } from "../shown/visible";
import { everybody, isPerson, type Person } from "./people";

const PAGE = 10;

interface PickerProps {
  title: string;
  /** ARNs. */
  chosen: readonly string[];
  /** Whether a change can be made now; false while the one before is under way. */
  ready?: boolean;
  onChange: (chosen: readonly string[]) => void;
}

export function PeoplePicker({ title, chosen, ready = true, onChange }: PickerProps) {
  const [answer, again] = useAnswer("users and roles", everybody);
  const [filter, setFilter] = useState("");
  const [index, setIndex] = useState(1);
  const [typed, setTyped] = useState("");
  const people = useMemo(() => answer.value?.people ?? [], [answer.value]);
  const matching = useMemo(() => {
    const wanted = filter.trim().toLowerCase();
    return wanted === "" ? people : people.filter((each) => each.arn.toLowerCase().includes(wanted));
  }, [people, filter]);
  const picked = useMemo(() => new Set(chosen), [chosen]);
  const shown = matching.slice((index - 1) * PAGE, index * PAGE);
  const typedFault = typed.trim() !== "" && !isPerson(typed.trim());

  function add() {
    const arn = typed.trim();
    if (!ready || !isPerson(arn)) return;
    if (!picked.has(arn)) onChange([...chosen, arn]);
    setTyped("");
  }

  return (
    <SpaceBetween size="m">
      {answer.state === "fault" && <Problem fault={answer.fault} again={again} />}
      <Table<Person>
        variant="container"
        selectionType="multi"
        header={
          <Header variant="h2" counter={`(${chosen.length} chosen)`}>
            {title}
          </Header>
        }
        filter={
          <TextFilter
            filteringText={filter}
            filteringPlaceholder="Find users and roles"
            filteringAriaLabel={`Find users and roles: ${title}`}
            countText={filter === "" ? "" : `${matching.length} found`}
            onChange={({ detail }) => {
              setFilter(detail.filteringText);
              setIndex(1);
            }}
          />
        }
        pagination={
          matching.length > PAGE && (
            <Pagination
              currentPageIndex={index}
              pagesCount={Math.ceil(matching.length / PAGE)}
              onChange={({ detail }) => setIndex(detail.currentPageIndex)}
            />
          )
        }
        columnDefinitions={[
          { id: "name", header: "Name", isRowHeader: true, minWidth: 140, cell: (each) => visible(each.name) },
          { id: "path", header: "ARN", minWidth: 260, cell: (each) => visible(each.arn) },
          { id: "kind", header: "Type", minWidth: 90, cell: (each) => each.kind },
        ]}
        columnDisplay={["name", "kind", "path"].map((id) => ({ id, visible: true }))}
        items={shown}
        selectedItems={shown.filter((each) => picked.has(each.arn))}
        onSelectionChange={({ detail }) => {
          const here = new Set(shown.map((each) => each.arn));
          const kept = chosen.filter((arn) => !here.has(arn)); // chosen on another page, or typed
          onChange([...kept, ...detail.selectedItems.map((each) => each.arn)]);
        }}
        trackBy="arn"
        wrapLines
        loading={answer.state === "loading" && answer.value === null}
        loadingText="Asking for users and roles"
        ariaLabels={{
          tableLabel: title,
          selectionGroupLabel: title,
          allItemsSelectionLabel: () => "All on this page",
          itemSelectionLabel: (_, each) => visible(each.name),
        }}
        empty={
          answer.state === "there" && (
            <Box textAlign="center" padding="m" color="text-body-secondary">
              {filter === "" ? "This account has no users and roles." : "No user or role has this in its name."}
            </Box>
          )
        }
      />
      {answer.value?.more === true && (
        <Box color="text-body-secondary">This account has more users and roles than are listed. Type the ARN of one that is not.</Box>
      )}
      <FormField
        label={`By ARN: ${title}`}
        description="For a user or role that the list does not show."
        errorText={typedFault ? "Type the ARN of a user or role, such as arn:aws:iam::111122223333:role/app." : null}
        secondaryControl={
          <Button disabled={!ready || typed.trim() === "" || typedFault} onClick={add}>
            Add
          </Button>
        }
      >
        <Input
          value={typed}
          spellcheck={false}
          onChange={({ detail }) => setTyped(detail.value)}
          onKeyDown={(event) => {
            if (event.detail.key === "Enter") {
              event.preventDefault();
              add();
            }
          }}
        />
      </FormField>
      <TokenGroup
        items={chosen.map((arn) => ({ label: principalName(arn), dismissLabel: `Remove ${principalName(arn)}` }))}
        limit={20}
        onDismiss={({ detail }) => onChange(chosen.filter((_, each) => each !== detail.itemIndex))}
      />
    </SpaceBetween>
  );
}
