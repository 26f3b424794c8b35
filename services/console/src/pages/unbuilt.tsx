/** Stands where a page is still to come. */

import Box from "@cloudscape-design/components/box";

export default function Unbuilt() {
  return (
    <Box textAlign="center" padding="xxl" color="text-body-secondary">
      This page is not built yet. The command line answers its questions: <Box variant="code">keytrail --help</Box>.
    </Box>
  );
}
