/** The account's users. */

import { IdentityList } from "../identities/identity-list";

export default function Users() {
  return <IdentityList kind="user" />;
}
