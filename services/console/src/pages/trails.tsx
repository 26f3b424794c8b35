/** Trails that were imported from CloudTrail, each asked by the pages that ask our own log. */

import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { follow, href } from "../router";
import { Listing } from "../shown/listing";
import { Prose } from "../shown/prose";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import { v1 } from "../v1/client";

const ASKED = [
  ["Keys", "/keys"],
  ["Roles", "/roles"],
  ["Users", "/users"],
  ["Who can", "/access"],
  ["What changed", "/access/changes"],
] as const;

export default function Trails() {
  return (
    <SpaceBetween size="m">
      <Header variant="h1" description={<Prose text="Records of AWS CloudTrail beside our own log. `keytrail import cloudtrail` on the host makes a trail." />}>
        Trails
      </Header>
      <Listing
        title="Imported trails"
        question="trails"
        load={(_, signal) => v1().get("/v1/trails", { query: { limit: 1000 } }, signal)}
        keyOf={(item) => item.trail}
        empty="No trail was imported."
        columns={[
          {
            id: "trail",
            header: "Trail",
            isRowHeader: true,
            cell: (item) => (
              <Link
                href={href("/decisions", {}, { trail: item.trail, from: item.first ?? "", to: "" })}
                onFollow={follow}
                ariaLabel={`Decisions of ${visible(item.trail)}`}
              >
                {visible(item.trail)}
              </Link>
            ),
          },
          {
            id: "ask",
            header: "Ask",
            minWidth: 180,
            cell: (item) => (
              <SpaceBetween size="s" direction="horizontal">
                {ASKED.map(([text, path]) => (
                  <Link key={path} href={href(path, {}, { trail: item.trail })} onFollow={follow} ariaLabel={`${text}: ${visible(item.trail)}`}>
                    {text}
                  </Link>
                ))}
              </SpaceBetween>
            ),
          },
          { id: "calls", header: "Calls", cell: (item) => item.calls ?? "its import did not end" },
          { id: "changes", header: "Changes", cell: (item) => item.changes ?? "–" },
          { id: "first", header: "First", cell: (item) => <Time at={item.first} /> },
          { id: "last", header: "Last", cell: (item) => <Time at={item.last} /> },
          { id: "broken", header: "Changes that do not fit", cell: (item) => item.broken ?? "–" },
        ]}
      />
    </SpaceBetween>
  );
}
