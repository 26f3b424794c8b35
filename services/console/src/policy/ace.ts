/** The editor's parts, in a chunk of their own: 100 KB compressed that come when a policy is first opened as text.
 *
 * Ace holds the Content-Security-Policy: its styles are imported and not made (useStrictCSP), nothing is loaded by address, and no
 * worker runs. A worker would only find what JSON.parse finds; the server finds the rest. */

import ace from "ace-builds";
import "ace-builds/css/ace.css";
import "ace-builds/css/theme/cloud_editor.css";
import "ace-builds/css/theme/cloud_editor_dark.css";
import "ace-builds/src-noconflict/ext-language_tools";
import "ace-builds/src-noconflict/ext-searchbox";
import "ace-builds/src-noconflict/mode-json";
import "ace-builds/src-noconflict/snippets/json";
import "ace-builds/src-noconflict/theme-cloud_editor";
import "ace-builds/src-noconflict/theme-cloud_editor_dark";

import type { Ace } from "ace-builds";

import type { Offer } from "./completions";

ace.config.set("useStrictCSP", true);
ace.config.set("loadWorkerFromBlob", false);

/** Commands whose code would be fetched from elsewhere. */
const AWAY = ["showSettingsMenu", "openCommandPalette", "openCommandPallete", "gotoline"];

/** Ace as Cloudscape's code editor wants it. `made` gets the editor, whose annotations and completions are ours. */
export function aceWith(made: (editor: Ace.Editor) => void): unknown {
  return {
    ...ace,
    version: ace.version,
    config: ace.config,
    edit: (element: HTMLElement, options: Partial<Ace.EditorOptions>) => {
      const editor = ace.edit(element, options);
      editor.session.setUseWorker(false);
      editor.setShowPrintMargin(false);
      for (const each of AWAY) editor.commands.removeCommand(each);
      made(editor);
      return editor;
    },
  };
}

/** Complete with what `offered` says of the text before the cursor, and with nothing else. */
export function offer(editor: Ace.Editor, offered: (before: string) => Offer[]): void {
  editor.completers = [
    {
      identifierRegexps: [/[\w:*]/],
      getCompletions: (_editor, session, position, _prefix, give) => {
        const lines = session.getLines(0, position.row);
        const before = [...lines.slice(0, -1), (lines.at(-1) ?? "").slice(0, position.column)].join("\n");
        give(null, offered(before).map(({ value, meaning }) => ({ value, caption: value, meta: meaning })));
      },
    },
  ];
  editor.setOptions({ enableLiveAutocompletion: true });
}
