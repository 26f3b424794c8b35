/** The two fields for codes that show that somebody has the device: one code, and the next. */

import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";

import type { Codes } from "./devices";
import { isCode } from "./key-uri";

export function areCodes([first, second]: Codes): boolean {
  return isCode(first) && isCode(second) && first !== second;
}

/** Apps show a code in two groups: the space between them is no part of it. */
function typed(text: string): string {
  return text.replace(/\s/g, "");
}

export function TwoCodes({ codes: [first, second], change }: { codes: Codes; change: (codes: Codes) => void }) {
  return (
    <SpaceBetween size="s">
      <FormField label="MFA code 1" description="The six digits that the device shows now.">
        <Input value={first} inputMode="numeric" autoComplete={false} onChange={({ detail }) => change([typed(detail.value), second])} />
      </FormField>
      <FormField
        label="MFA code 2"
        description="The next six digits. A new code comes every 30 seconds."
        errorText={first !== "" && first === second ? "This is the first code again. Wait for the next one." : null}
      >
        <Input value={second} inputMode="numeric" autoComplete={false} onChange={({ detail }) => change([first, typed(detail.value)])} />
      </FormField>
    </SpaceBetween>
  );
}
