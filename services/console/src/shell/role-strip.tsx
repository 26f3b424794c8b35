/** Below the bar while somebody works as a role: which one, in its colour, for whom, until when, and the way back. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";

import { shownName } from "../session/role";
import { type RoleSession, type Session, switchBack } from "../session/session";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import styles from "./role-strip.module.css";
import { nameOf } from "./who";

export function RoleStrip({ role: { role, expires }, first }: { role: RoleSession; first: Session }) {
  return (
    <section className={`${styles["strip"] ?? ""} ${styles[role.colour] ?? ""}`} aria-label="The role that you switched to">
      <span className={styles["label"]}>
        <Box variant="span" color="inherit" fontWeight="bold">
          {visible(shownName(role))}
        </Box>
      </span>
      <span className={styles["sentence"]}>
        <Box variant="span">
          {visible(nameOf(first))} works as role {visible(role.role)} of account {visible(role.account)} until <Time at={expires} />
        </Box>
      </span>
      <Button onClick={switchBack}>Switch back</Button>
    </section>
  );
}
