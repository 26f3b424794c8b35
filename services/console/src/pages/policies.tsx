/** The account's managed policies. */

import { IdentityList } from "../identities/identity-list";

export default function Policies() {
  return <IdentityList kind="policy" />;
}
