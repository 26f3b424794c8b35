import type { ReactNode } from "react";

import styles from "./sign-in.module.css";

export function SignInPage({ children }: { children: ReactNode }) {
  return <main className={styles["page"]}>{children}</main>;
}
