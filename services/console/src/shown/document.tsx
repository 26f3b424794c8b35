/** A document to read, such as a policy or a record: as text, with what shows nothing made visible. */

import Box from "@cloudscape-design/components/box";

import styles from "./document.module.css";
import { visible } from "./visible";

export function DocumentText({ document, label }: { document: unknown; label: string }) {
  const text = typeof document === "string" ? document : JSON.stringify(document, null, 2);
  return (
    <Box variant="code">
      <pre className={styles["text"]} tabIndex={0} aria-label={label}>
        {visible(text, { lines: true })}
      </pre>
    </Box>
  );
}
