/** Text in a table that may have long words, such as ARNs and ids: they break where a column ends, instead of pushing the columns
 * behind it out of sight. */

import styles from "./long-text.module.css";
import { visible } from "./visible";

export function LongText({ text }: { text: string }) {
  return <span className={styles["long"]}>{visible(text)}</span>;
}
