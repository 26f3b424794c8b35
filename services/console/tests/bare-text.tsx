/** What the linter's rule has to find (visible-text.js): each line is let pass by a comment, and a comment that nothing needs is an
 * error of its own. Nothing runs this file. */

import Box from "@cloudscape-design/components/box";
import Header from "@cloudscape-design/components/header";

import { visible } from "../src/shown/visible";

interface Person {
  name: string;
  note: string;
}

const KINDS = { user: "User" } as const;

export function Bare({ people, title, kind }: { people: Person[]; title: string; kind: "user" }) {
  // eslint-disable-next-line keytrail/visible-text -- named first, shown later
  const first = people[0]?.name ?? "";
  const { note } = people[0] ?? { note: "" };
  return (
    <Header variant="h1" description={`by ${first}`}>
      {title}
      {KINDS[kind]}
      {people.length}
      {/* eslint-disable-next-line keytrail/visible-text -- taken apart */}
      {note}
      {/* eslint-disable-next-line keytrail/visible-text -- a list of them */}
      {people.map((each) => each.name).join(", ")}
      {people.map((each) => visible(each.name)).join(", ")}
      {people.map(({ name }) => (
        // eslint-disable-next-line keytrail/visible-text -- a callback's parameter is no component's property
        <Box key={name}>{name}</Box>
      ))}
      {people.map((each) => (
        // eslint-disable-next-line keytrail/visible-text -- a part of it
        <Box key={each.name}>{each.note.slice(0, 3)}</Box>
      ))}
    </Header>
  );
}

export const COLUMNS = [
  // eslint-disable-next-line keytrail/visible-text -- a table's cell
  { id: "name", cell: (item: Person) => item.name },
  { id: "note", cell: (item: Person) => visible(item.note) },
];
