/** A QR code, drawn in the browser: what it says never leaves this page. Black on white in dark colours, too, since cameras expect
 * that. */

import styles from "./qr-code.module.css";
import { qrOutline } from "./qr-outline";

export function QrCode({ text, label }: { text: string; label: string }) {
  const { path, width } = qrOutline(text);
  return (
    <svg className={styles["code"]} viewBox={`0 0 ${width} ${width}`} role="img" aria-label={label} shapeRendering="crispEdges">
      <path d={`M0 0h${width}v${width}h-${width}z`} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  );
}
