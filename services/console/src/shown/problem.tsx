/** How every page shows that a request was refused or failed. It is a live region, so a screen reader says it when it comes. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Link from "@cloudscape-design/components/link";

import { follow, href, useAsOf } from "../router";
import { type Fault, isPassing } from "./fault";
import { visible } from "./visible";

interface ProblemProps {
  fault: Fault;
  again?: () => void;
}

export function Problem(given: ProblemProps) {
  return (
    <div role="alert">
      <Told {...given} />
    </div>
  );
}

function Told({ fault, again }: ProblemProps) {
  const [at, setAt] = useAsOf();
  const first = at === null ? undefined : /^the record begins at .* Ask for (@\d+)/.exec(fault.message)?.[1];
  if (first !== undefined) {
    return (
      <Alert type="info" header="The record begins later" action={<Button onClick={() => setAt(first)}>Show its first moment</Button>}>
        {visible(`${fault.message.charAt(0).toUpperCase()}${fault.message.slice(1)}.`)}
      </Alert>
    );
  }
  const waits = isPassing(fault);
  return (
    <Alert
      type={fault.kind === "refused" || waits ? "warning" : "error"}
      header={fault.title}
      {...(again === undefined ? {} : { action: <Button onClick={again}>Try again</Button> })}
    >
      <Box variant="p">{visible(fault.message, { lines: true })}</Box>
      {fault.call !== "" && (
        <Box variant="p" color="text-body-secondary" fontSize="body-s">
          Call {visible(fault.call)}
          {fault.kind === "refused" && (
            <>
              {" · "}
              <Link fontSize="body-s" href={href("/decisions/{call}", { call: fault.call })} onFollow={follow}>
                Why it was refused
              </Link>
            </>
          )}
        </Box>
      )}
    </Alert>
  );
}
