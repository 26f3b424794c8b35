/** What whoever is signed in signs in with: their own password, MFA devices and access keys. */

import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { AccessKeys } from "../identities/access-keys";
import { MfaDevices } from "../mfa/mfa-devices";
import { OwnPassword } from "../passwords/own-password";
import { switchBack, useSigned } from "../session/session";
import { userName } from "../shown/names";
import { visible } from "../shown/visible";
import { NARROWEST } from "../shown/widths";

export default function SecurityCredentials() {
  const { first, assumed } = useSigned();
  const identity = (assumed ?? first)?.identity;
  if (identity === undefined) return null;
  const user = userName(identity.arn);
  return (
    <SpaceBetween size="l">
      <Header variant="h1">My security credentials</Header>
      <Container header={<Header variant="h2">Who you are</Header>}>
        <KeyValuePairs
          minColumnWidth={NARROWEST}
          columns={3}
          items={[
            { label: "ARN", value: visible(identity.arn) },
            { label: "User name", value: visible(user ?? "–") },
            { label: "Account", value: visible(identity.account) },
          ]}
        />
      </Container>
      {user !== null && <OwnPassword user={user} />}
      {user !== null && <MfaDevices user={user} />}
      {user !== null && <AccessKeys user={user} />}
      {identity.root && (
        <Alert type="info" header="The root user has none here">
          The root user’s access key is a setting of the installation (KEYTRAIL_ROOT_ACCESS_KEY_ID). Make a user for yourself, and sign in as
          that user.
        </Alert>
      )}
      {assumed !== null && (
        <Alert type="info" header="You work as a role" action={<Button onClick={switchBack}>Switch back</Button>}>
          A role has no credentials of its own. Yours are here when you work as yourself.
        </Alert>
      )}
      {user === null && !identity.root && assumed === null && (
        <Alert type="info" header="You are not signed in as a user">
          You signed in with the session of a role, which has no credentials of its own.
        </Alert>
      )}
    </SpaceBetween>
  );
}
