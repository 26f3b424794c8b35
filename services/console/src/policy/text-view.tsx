/** The policy view: the text in an editor, with completion and AWS's validation in place. */

import Box from "@cloudscape-design/components/box";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { Suspense } from "react";

import { useAnswer } from "../shown/answer";
import { onDemand } from "../shown/on-demand";
import { v1 } from "../v1/client";
import { Waiting } from "./alerts-raised";
import type { PolicyWords } from "./completions";
import type { PlacedFault } from "./editor";

const Editor = onDemand(() => import("./editor"));

interface TextViewProps {
  text: string;
  onText: (text: string) => void;
  fault: PlacedFault | null;
  readOnly: boolean;
}

export function TextView({ text, onText, fault, readOnly }: TextViewProps) {
  const [words] = useAnswer("policy words", (signal) => v1().get("/v1/policy-words", {}, signal));
  return (
    <SpaceBetween size="xs">
      <Suspense fallback={<Waiting text="Loading the editor" />}>
        <Editor text={text} onText={onText} fault={fault} words={words.value as PolicyWords | null} readOnly={readOnly} />
      </Suspense>
      <Box color="text-body-secondary" fontSize="body-s">
        Control+Space offers actions, condition operators and condition keys. Escape leaves the editor for the next control.
      </Box>
    </SpaceBetween>
  );
}
