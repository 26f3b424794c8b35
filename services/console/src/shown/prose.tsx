/** A sentence that quotes commands between backticks, with those as code. */

import Box from "@cloudscape-design/components/box";

import { visible } from "./visible";

export function Prose({ text }: { text: string }) {
  return (
    <>
      {text.split("`").map((part, index) =>
        index % 2 === 0 ? (
          visible(part)
        ) : (
          <Box key={index} variant="code" display="inline">
            {visible(part)}
          </Box>
        ),
      )}
    </>
  );
}
