/** A button in a row that takes something away or decides who may do what: it asks first, since a slip of the mouse beside "Edit"
 * would do it at once. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import { useState } from "react";

import { ChangeModal } from "./change-modal";
import { visible } from "./visible";

interface AskedFirstProps {
  verb: string;
  /** What is taken away, after the verb: "policy/app". */
  what: string;
  /** What belongs to the verb and stands after `what`: "Put v1 into force". */
  whither?: string;
  /** What follows from it. */
  then: string;
  work: () => Promise<unknown>;
  done: () => void;
}

export function AskedFirst({ verb, what, whither = "", then, work, done }: AskedFirstProps) {
  const [asking, ask] = useState(false);
  const title = visible(`${verb} ${what} ${whither}`.trimEnd());
  const label = visible(`${verb} ${whither}`.trimEnd());
  return (
    <>
      <Button variant="inline-link" ariaLabel={title} onClick={() => ask(true)}>
        {label}
      </Button>
      {asking && (
        <ChangeModal
          title={title}
          verb={label}
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
