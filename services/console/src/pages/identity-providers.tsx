/** The account's OpenID Connect providers: whose tokens can be exchanged for sessions of roles. */

import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { hostOf } from "../providers/names";
import { NewProvider } from "../providers/new-provider";
import { listProviders } from "../providers/providers";
import { follow, href, navigate } from "../router";
import { Listing } from "../shown/listing";
import { visible } from "../shown/visible";

const page = (arn: string) => href("/identity-providers/{arn}", { arn });

export default function IdentityProviders() {
  const [adding, add] = useState(false);
  return (
    <SpaceBetween size="m">
      <Header variant="h1" description="OpenID Connect: companies’ sign-ins and workloads’ platforms, whose tokens a role can trust.">
        Identity providers
      </Header>
      <Listing
        title="Identity providers"
        question="identity providers"
        load={(_, signal) => listProviders(signal)}
        keyOf={(arn) => arn}
        empty="This account has no identity providers."
        columns={[
          {
            id: "host",
            header: "Provider",
            isRowHeader: true,
            minWidth: 150,
            cell: (arn) => (
              <Link href={page(arn)} onFollow={follow}>
                {visible(hostOf(arn))}
              </Link>
            ),
          },
          { id: "arn", header: "ARN", minWidth: 200, cell: (arn) => visible(arn) },
        ]}
        actions={
          <Button variant="primary" onClick={() => add(true)}>
            Add provider
          </Button>
        }
      />
      {adding && <NewProvider close={() => add(false)} done={(arn) => navigate(page(arn))} />}
    </SpaceBetween>
  );
}
