/** The account's password policy, in words. */

import { lifeWords, passwordWords, type Rules } from "./rules";

export function RuleWords({ rules }: { rules: Rules }) {
  return (
    <ul>
      {[...passwordWords(rules), ...lifeWords(rules)].map((each) => (
        // eslint-disable-next-line keytrail/visible-text -- our words
        <li key={each}>{each}</li>
      ))}
    </ul>
  );
}
