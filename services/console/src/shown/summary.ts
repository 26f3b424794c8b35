/** What happened, as a record says it, in the form in which people write it: the record's words are made of its values, so they hold
 * lists and times as programs write them. Only what is shown changes. The command line does the same (services/wording/names.py). */

import { timeWords } from "./time";

const LIST = /\[('[^'\]]*'(?:, '[^'\]]*')*)\]/g;
const PAIRS = /\{('[^'}]*': '[^'}]*'(?:, '[^'}]*': '[^'}]*')*)\}/g;
const TIME = /\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z/g;

/** Show the result with `visible`: a record quotes callers. */
export function summaryWords(text: string): string {
  return text
    .replace(LIST, (_, listed: string) => listed.replaceAll("'", ""))
    .replace(PAIRS, (_, pairs: string) => pairs.replaceAll("': '", "=").replaceAll("'", ""))
    .replace(TIME, (at) => timeWords(at) ?? at);
}
