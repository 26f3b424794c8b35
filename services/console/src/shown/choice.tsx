/** A field that chooses one item of a list which is still being asked for. */

import FormField from "@cloudscape-design/components/form-field";
import Select from "@cloudscape-design/components/select";

import type { Answer } from "./answer";
import { visible } from "./visible";

interface ChoiceProps<T> {
  label: string;
  answer: Answer<{ items: readonly T[] }>;
  valueOf: (item: T) => string;
  nameOf: (item: T) => string;
  chosen: string | null;
  choose: (value: string | null) => void;
  placeholder: string;
  empty: string;
}

export function Choice<T>({ label, answer, valueOf, nameOf, chosen, choose, placeholder, empty }: ChoiceProps<T>) {
  const options = (answer.value?.items ?? []).map((each) => ({ value: valueOf(each), label: visible(nameOf(each)) }));
  return (
    <FormField label={label}>
      <Select
        selectedOption={options.find((each) => each.value === chosen) ?? null}
        options={options}
        onChange={({ detail }) => choose(detail.selectedOption.value ?? null)}
        filteringType="auto"
        statusType={answer.state === "loading" ? "loading" : "finished"}
        placeholder={placeholder}
        empty={empty}
      />
    </FormField>
  );
}
