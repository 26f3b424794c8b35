/** The text of a policy with its faults in place, and what may be written where the cursor stands. */

import CodeEditor from "@cloudscape-design/components/code-editor";
import type { Ace } from "ace-builds";
import { useEffect, useState } from "react";

import { theme } from "../preferences";
import { aceWith, offer } from "./ace";
import { offers, type PolicyWords } from "./completions";
import type { TextPlace } from "./places";

export interface PlacedFault extends TextPlace {
  message: string;
}

const STRINGS = {
  loadingState: "Loading the editor",
  errorState: "The editor could not be loaded.",
  errorStateRecovery: "Try again",
  editorGroupAriaLabel: "Policy editor",
  statusBarGroupAriaLabel: "Status bar",
  cursorPosition: (row: number, column: number) => `Line ${row}, column ${column}`,
  errorsTab: "Faults",
  warningsTab: "Warnings",
  preferencesButtonAriaLabel: "Editor preferences",
  paneCloseButtonAriaLabel: "Close",
  preferencesModalHeader: "Editor preferences",
  preferencesModalCancel: "Cancel",
  preferencesModalConfirm: "Confirm",
  preferencesModalCloseAriaLabel: "Close",
  preferencesModalWrapLines: "Wrap lines",
  preferencesModalTheme: "Theme",
  preferencesModalLightThemes: "Light themes",
  preferencesModalDarkThemes: "Dark themes",
};
const THEMES = { light: ["cloud_editor"], dark: ["cloud_editor_dark"] };

interface EditorProps {
  text: string;
  onText: (text: string) => void;
  fault: PlacedFault | null;
  words: PolicyWords | null;
  readOnly?: boolean;
}

export default function Editor({ text, onText, fault, words, readOnly = false }: EditorProps) {
  const [editor, setEditor] = useState<Ace.Editor | null>(null);
  const [wrapLines, setWrapLines] = useState(true);
  const [height, setHeight] = useState(Math.min(640, Math.max(240, text.split("\n").length * 20 + 40)));
  const [ace] = useState(() => aceWith(setEditor));

  useEffect(() => {
    if (editor !== null) offer(editor, (before) => (words === null ? [] : offers(before, words)));
  }, [editor, words]);

  useEffect(() => {
    editor?.setReadOnly(readOnly);
  }, [editor, readOnly]);

  useEffect(() => {
    if (editor === null) return;
    if (fault === null) editor.session.clearAnnotations();
    else editor.session.setAnnotations([{ row: fault.row, column: fault.column, text: fault.message, type: "error" }]);
  }, [editor, fault]);

  return (
    <CodeEditor
      ace={ace}
      value={text}
      language="json"
      ariaLabel="The policy as JSON"
      i18nStrings={STRINGS}
      themes={THEMES}
      preferences={{ wrapLines, theme: theme() === "dark" ? "cloud_editor_dark" : "cloud_editor" }}
      onPreferencesChange={({ detail }) => setWrapLines(detail.wrapLines)}
      onDelayedChange={({ detail }) => onText(detail.value)}
      editorContentHeight={height}
      onEditorContentResize={({ detail }) => setHeight(detail.height)}
    />
  );
}
