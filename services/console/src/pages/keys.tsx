/** The keys that the account manages itself. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";

import { KeyTable } from "../keys/key-table";
import { href, navigate, type PageProps } from "../router";

export default function Keys({ query }: PageProps) {
  const create = () => navigate(href("/keys/create"));
  return (
    <KeyTable
      title="Customer managed keys"
      description="Keys that this account made. Each key's policy says who may use and manage it."
      manager="customer"
      query={query}
      actions={
        <Button variant="primary" onClick={create}>
          Create key
        </Button>
      }
      empty={
        <Box textAlign="center" padding="l">
          <Box variant="p">This account has no keys.</Box>
          <Button onClick={create}>Create key</Button>
        </Box>
      }
    />
  );
}
