/** What the account asks of a new password, for whoever chooses one. A reader who may not ask for it sees nothing: the server says
 * what is wrong with a password. */

import { visible } from "../shown/visible";
import { passwordWords, type Rules } from "./rules";

export function AskedOfPasswords({ found }: { found: { rules: Rules } | null }) {
  if (found === null) return null;
  return (
    <ul>
      {passwordWords(found.rules).map((each) => (
        <li key={each}>{visible(each)}</li>
      ))}
    </ul>
  );
}
