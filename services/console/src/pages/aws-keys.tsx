/** Keys that a service made for the account and manages for it. */

import Box from "@cloudscape-design/components/box";

import { KeyTable } from "../keys/key-table";
import type { PageProps } from "../router";

export default function AwsKeys({ query }: PageProps) {
  return (
    <KeyTable
      title="AWS managed keys"
      description="Keys that a service made in this account. The service manages them: you can look at them, and cannot change them."
      manager="service"
      query={query}
      empty={
        <Box textAlign="center" padding="l">
          No service manages a key for this account. The first call through a service that encrypts for its users makes one.
        </Box>
      }
    />
  );
}
