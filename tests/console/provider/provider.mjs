// A real OpenID Connect provider: npm's `oidc-provider`, with its own pages for signing in and consent.
// node provider.mjs PORT CERTIFICATE KEY REDIRECT_URI
import { readFileSync } from "node:fs";
import { createServer } from "node:https";

import Provider from "oidc-provider";

const [port, certificate, key, redirect] = process.argv.slice(2);

const provider = new Provider(`https://localhost:${port}`, {
  clients: [
    {
      client_id: "keytrail",
      client_secret: "a secret of the test",
      redirect_uris: [redirect],
      response_types: ["code"],
      grant_types: ["authorization_code"],
      token_endpoint_auth_method: "client_secret_post",
    },
  ],
  claims: { openid: ["sub"], email: ["email", "email_verified"] },
  conformIdTokenClaims: false, // the address stands in the ID token
  cookies: { keys: ["of the test"] },
  features: { devInteractions: { enabled: true } },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, email: `${sub}@example.com`, email_verified: true }) }),
});

createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, provider.callback()).listen(
  Number(port),
  "127.0.0.1",
  () => console.log("listening"),
);
