/** Two policies as text, line by line, in one layout. */

import Box from "@cloudscape-design/components/box";
import { useMemo } from "react";

import { visible } from "../shown/visible";
import { laidOut, lineDiff } from "./text-diff";
import style from "./text-difference.module.css";

const SIGNS = { same: " ", gone: "-", new: "+" };
const SPOKEN = { same: "", gone: "removed: ", new: "added: " };

export function TextDiff({ before, after }: { before: string; after: string }) {
  const lines = useMemo(() => lineDiff(laidOut(before), laidOut(after)), [before, after]);
  if (lines.every(({ kind }) => kind === "same")) {
    return <Box>{before === after ? "The two texts are the same." : "The two texts differ in their white space alone."}</Box>;
  }
  return (
    // A wide text is scrolled with the keyboard, too.
    <div className={style.lines} role="region" aria-label="Text difference" tabIndex={0}>
      {lines.map(({ kind, text }, index) => (
        <div key={index} className={style[kind]}>
          <span aria-hidden="true">{SIGNS[kind]} </span>
          <span className={style.spoken}>{SPOKEN[kind]}</span>
          {visible(text)}
        </div>
      ))}
    </div>
  );
}
