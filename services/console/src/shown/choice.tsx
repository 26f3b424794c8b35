/** A field that takes one item of a list, which is still being asked for, or any other that is typed: the list may be longer than
 * what is shown, or its reader may not see it. */

import Autosuggest from "@cloudscape-design/components/autosuggest";
import FormField from "@cloudscape-design/components/form-field";

import type { Answer } from "./answer";
import { listStatus } from "./list-status";
import { visible } from "./visible";

interface ChoiceProps<T> {
  label: string;
  description?: string;
  answer: Answer<{ items: readonly T[] }>;
  valueOf: (item: T) => string;
  nameOf: (item: T) => string;
  chosen: string;
  choose: (value: string) => void;
  placeholder: string;
  empty: string;
}

export function Choice<T>({ label, description, answer, valueOf, nameOf, chosen, choose, placeholder, empty }: ChoiceProps<T>) {
  const options = (answer.value?.items ?? []).map((each) => ({ value: valueOf(each), label: visible(nameOf(each)) }));
  return (
    <FormField label={label} description={description}>
      <Autosuggest
        value={chosen}
        options={options}
        onChange={({ detail }) => choose(detail.value)}
        enteredTextLabel={(text) => `Use ${visible(text)}`}
        {...listStatus(answer)}
        placeholder={placeholder}
        empty={empty}
      />
    </FormField>
  );
}
