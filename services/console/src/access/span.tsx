/** One moment or two: "now", the last days, or between two times as a user writes them. They are part of the URL. */

import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { changeQuery, usePlace } from "../router";
import { useFollowing } from "../shown/following";

const DAY = 86_400_000;
const DAYS = ["1", "7", "30", "90"];
export const USUAL_DAYS = "7";
const BEFORE_ALL = "1970-01-01";
const CUSTOM = "custom";
const HINT = "2026-11-20, 2026-11-20T10:00:00Z or a position such as @1234";

export interface Span {
  from: string;
  to: string | null;
}

/** From the query: `days=7`, or `from=` and `to=`. Null: one moment. Days end at the time that the pages show, else `now`, in
 * milliseconds; before a position, and in a trail, they are all that is on record. */
export function spanOf(query: URLSearchParams, now: number): Span | null {
  const days = query.get("days");
  if (days !== null && /^\d{1,4}$/.test(days)) {
    if (wholeRecord(query)) return { from: BEFORE_ALL, to: null };
    const at = query.get("at");
    const end = at === null ? now : Date.parse(at);
    return { from: new Date(end - Number(days) * DAY).toISOString(), to: null };
  }
  const from = query.get("from");
  return from === null ? null : { from, to: query.get("to") };
}

/** Nobody knows how many days ago a position or the end of a trail is. */
function wholeRecord(query: URLSearchParams): boolean {
  return query.get("at")?.startsWith("@") === true || query.get("trail") !== null;
}

export function SpanChoice({ once }: { once: string | null }) {
  const { query } = usePlace();
  const usual = once === null ? USUAL_DAYS : "";
  const chosen = query.get("days") ?? (query.get("from") === null ? usual : CUSTOM);
  const [writing, setWriting] = useFollowing(chosen === CUSTOM);
  const [from, setFrom] = useFollowing(query.get("from") ?? "");
  const [to, setTo] = useFollowing(query.get("to") ?? "");
  const whole = wholeRecord(query);
  const options = [
    ...(once === null ? [] : [{ value: "", label: once }]),
    ...(whole ? [{ value: USUAL_DAYS, label: "What changed in all that is on record" }] : []),
    ...(whole ? [] : DAYS).map((value) => ({ value, label: value === "1" ? "What changed in the last day" : `What changed in the last ${value} days` })),
    { value: CUSTOM, label: "What changed between two times" },
  ];
  const shown = writing ? CUSTOM : chosen;
  const ask = (): void => changeQuery({ days: undefined, from, to });
  return (
    <SpaceBetween size="s">
      <FormField label="When">
        <Select
          options={options}
          selectedOption={options.find(({ value }) => value === shown) ?? options[0] ?? null}
          onChange={({ detail }) => {
            const value = detail.selectedOption.value ?? "";
            setWriting(value === CUSTOM);
            if (value !== CUSTOM) changeQuery({ days: value, from: undefined, to: undefined });
          }}
        />
      </FormField>
      {writing && (
        <SpaceBetween size="s" direction="horizontal">
          <FormField label="From" constraintText={HINT}>
            <Input value={from} onChange={({ detail }) => setFrom(detail.value)} onBlur={ask} onKeyDown={({ detail }) => detail.key === "Enter" && ask()} />
          </FormField>
          <FormField label="To" constraintText="The same; now where left empty">
            <Input value={to} onChange={({ detail }) => setTo(detail.value)} onBlur={ask} onKeyDown={({ detail }) => detail.key === "Enter" && ask()} />
          </FormField>
        </SpaceBetween>
      )}
    </SpaceBetween>
  );
}
