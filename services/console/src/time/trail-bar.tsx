/** A line above every page while the pages ask an imported trail: which, and the way back. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { changeQuery, href, navigate, useTrail } from "../router";
import { visible } from "../shown/visible";

/** `shows`: whether the page that stands below can ask a trail. */
export function TrailBar({ shows }: { shows: boolean }) {
  const trail = useTrail();
  if (trail === null) return null;
  return (
    <Box padding={{ bottom: "m" }}>
      <Alert
        type="info"
        header={`Trail ${visible(trail)}`}
        action={
          <SpaceBetween direction="horizontal" size="xs">
            <Button onClick={() => navigate(href("/trails", {}, { trail: "" }))}>Other trails</Button>
            <Button onClick={() => changeQuery({ trail: undefined, from: undefined, to: undefined })}>Back to our own log</Button>
          </SpaceBetween>
        }
      >
        {shows
          ? "What AWS CloudTrail recorded elsewhere. Nothing can be changed here."
          : "This page is about our own log only. Go back to it, or choose a page that can ask a trail: keys, who can, what changed, decisions, users, groups, roles, policies."}
      </Alert>
    </Box>
  );
}
