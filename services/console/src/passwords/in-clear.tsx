import Alert from "@cloudscape-design/components/alert";

import { isInClear } from "../session/password-steps";

export function isHereInClear(): boolean {
  return isInClear(location.protocol, location.hostname);
}

/** Before a password is typed on a page that came over plain http. */
export function InClear() {
  return (
    <Alert type="warning" header="A password would cross the network in clear">
      Open this page by its https:// address, or on the machine that Keytrail runs on.
    </Alert>
  );
}
