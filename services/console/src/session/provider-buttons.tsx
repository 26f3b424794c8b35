/** "Sign in with …": a button for each provider that the settings name. Without any, nothing. */

import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useEffect, useState } from "react";

import { BASE } from "../router";
import { visible } from "../shown/visible";
import { type AnswerOf, offeredProviders } from "../v1/client";
import { keepBegun } from "./begun-sign-in";
import { authorizationUrl, beginning } from "./provider-steps";

type Offered = AnswerOf<"/v1/console/providers">["items"][number];

export function ProviderButtons() {
  const [offers, setOffers] = useState<readonly Offered[]>([]);
  useEffect(() => {
    const leaving = new AbortController();
    // If nobody answers, the other ways to sign in say so.
    offeredProviders(leaving.signal).then(
      (found) => setOffers(found.items),
      () => undefined,
    );
    return () => leaving.abort();
  }, []);

  async function go(offer: Offered) {
    if (offer.authorization_endpoint === null) return;
    const asked = { ...offer, authorization_endpoint: offer.authorization_endpoint };
    const begun = beginning(asked, location.pathname.slice(BASE.length) + location.search);
    keepBegun(begun);
    location.assign(await authorizationUrl(asked, begun, location.origin));
  }

  return (
    <SpaceBetween size="xs" alignItems="center">
      {offers.map((each) => (
        <Button
          key={each.name}
          disabled={each.authorization_endpoint === null}
          disabledReason="The provider does not answer. Load this page again in a moment."
          onClick={() => void go(each)}
        >
          Sign in with {visible(each.name)}
        </Button>
      ))}
    </SpaceBetween>
  );
}
