/** A button in a row that takes something away: it asks first, since a slip of the mouse beside "Edit" would do it at once. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import { useState } from "react";

import { ChangeModal } from "./change-modal";
import { visible } from "./visible";

interface AskedFirstProps {
  verb: string;
  /** What is taken away, after the verb: "policy/app". */
  what: string;
  /** What follows from it. */
  then: string;
  work: () => Promise<unknown>;
  done: () => void;
}

export function AskedFirst({ verb, what, then, work, done }: AskedFirstProps) {
  const [asking, ask] = useState(false);
  const title = visible(`${verb} ${what}`);
  return (
    <>
      <Button variant="inline-link" ariaLabel={title} onClick={() => ask(true)}>
        {visible(verb)}
      </Button>
      {asking && (
        <ChangeModal
          title={title}
          verb={verb}
          work={work}
          done={() => {
            ask(false);
            done();
          }}
          close={() => ask(false)}
        >
          <Box variant="p">{visible(then)}</Box>
        </ChangeModal>
      )}
    </>
  );
}
