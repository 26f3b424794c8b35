/** Fields by which /v1 finds things, as a property filter and as the page's URL. /v1 takes one value for each field. */

import type { PropertyFilterProps } from "@cloudscape-design/components/property-filter";

import { visible } from "./visible";

export type Values<F extends string> = Partial<Record<F, string>>;

export interface Fields<F extends string> {
  properties: readonly PropertyFilterProps.FilteringProperty[];
  /** What the URL asks for. */
  valuesOf: (query: URLSearchParams) => Values<F>;
  tokensOf: (values: Values<F>) => PropertyFilterProps.Query;
  /** The URL's query for the tokens. Of two values of a field, the later counts. `before` are the values that the tokens were
   * shown for, since a token shows its value in a visible form. */
  queryOf: (tokens: readonly PropertyFilterProps.Token[], before: Values<F>) => Record<F, string | undefined>;
}

const CONTAINS = ":";

/** `labels` name the fields. Those in `contained` may also be found by a part of their text, which /v1 takes as *part*. `free` says
 * which field is meant by text that is typed without one. */
export function fieldsOf<F extends string>(
  labels: Readonly<Record<F, string>>,
  contained: readonly NoInfer<F>[] = [],
  free?: (text: string) => NoInfer<F>,
): Fields<F> {
  const names = Object.keys(labels) as F[];

  function tokenOf(propertyKey: F, value: string): PropertyFilterProps.Token {
    const part = contained.includes(propertyKey) ? /^\*([^*]+)\*$/.exec(value)?.[1] : undefined;
    return { propertyKey, operator: part === undefined ? "=" : CONTAINS, value: visible(part ?? value) };
  }

  function valueOf(name: F, { operator, value }: PropertyFilterProps.Token): string {
    const text = String(value);
    return operator === CONTAINS && contained.includes(name) && !text.includes("*") ? `*${text}*` : text;
  }

  return {
    properties: names.map((key) => ({
      key,
      propertyLabel: labels[key],
      groupValuesLabel: `Values of ${labels[key]}`,
      operators: contained.includes(key) ? [CONTAINS, "="] : ["="],
      ...(contained.includes(key) ? { defaultOperator: CONTAINS } : {}),
    })),
    valuesOf(query) {
      const found: Values<F> = {};
      for (const name of names) {
        const value = query.get(name);
        if (value !== null && value !== "") found[name] = value;
      }
      return found;
    },
    tokensOf: (values) => ({
      operation: "and",
      tokens: names.flatMap((name) => {
        const value = values[name];
        return value === undefined ? [] : [tokenOf(name, value)];
      }),
    }),
    queryOf(tokens, before) {
      const found = Object.fromEntries(names.map((name) => [name, undefined])) as Record<F, string | undefined>;
      for (const token of tokens) {
        if (typeof token.value !== "string" || token.value === "") continue;
        const text = token.value;
        const name = token.propertyKey === undefined ? free?.(text) : names.find((each) => each === token.propertyKey);
        if (name === undefined) continue;
        const former = before[name];
        const shown = former === undefined ? undefined : tokenOf(name, former);
        const same = shown !== undefined && shown.value === token.value && shown.operator === token.operator;
        found[name] = same ? former : valueOf(name, token);
      }
      return found;
    },
  };
}
