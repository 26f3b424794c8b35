import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

import visibleText from "./visible-text.js";

export default tseslint.config(
  { ignores: ["node_modules", "src/v1/schema.d.ts", "eslint.config.js", "visible-text.js"] },
  ...tseslint.configs.strictTypeChecked,
  { languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } } },
  {
    plugins: { "react-hooks": hooks },
    rules: {
      ...hooks.configs.recommended.rules,
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // A click's handler may start work whose end the page shows by itself.
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: { attributes: false } }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // Nothing is written into the page as HTML, and nothing is kept where it outlives the tab.
      "no-restricted-syntax": ["error", { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: "Text is shown as text." }],
      "no-restricted-globals": ["error", { name: "localStorage", message: "Secrets must not outlive the tab; preferences go through src/preferences.ts." }],
    },
  },
  {
    files: ["src/**", "tests/bare-text.tsx"],
    plugins: { keytrail: { rules: { "visible-text": visibleText } } },
    rules: {
      "keytrail/visible-text": [
        "error",
        {
          makers: [
            ...["principalName", "keyName", "policyName", "byWords", "conditionWords", "decidedBy", "listed"], // each calls visible()
            ...["counted", "number", "sizeOf", "lengthWords", "clockWords", "zoneWords", "faultOfHead", "aliasFault", "whoRefused"],
            ...["kindLabel", "numberFault", "passwordWords", "lifeWords"], // our words
          ],
          ours: ["title", "label", "verb", "means", "done"],
        },
      ],
    },
  },
  { files: ["src/preferences.ts", "src/session/stay.ts"], rules: { "no-restricted-globals": "off" } },
);
