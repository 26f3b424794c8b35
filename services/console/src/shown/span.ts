/** The span of time that a page asks about, as its URL has it: `last=1-day`, or `from` and `to`. */

import type { DateRangePickerProps } from "@cloudscape-design/components/date-range-picker";

export type Span = DateRangePickerProps.Value;
type Unit = DateRangePickerProps.TimeUnit;

export const USUAL: Span = { type: "relative", amount: 1, unit: "day" };
export const RELATIVE: readonly DateRangePickerProps.RelativeOption[] = [
  { key: "hour", amount: 1, unit: "hour", type: "relative" },
  { key: "day", amount: 1, unit: "day", type: "relative" },
  { key: "week", amount: 7, unit: "day", type: "relative" },
  { key: "month", amount: 30, unit: "day", type: "relative" },
  { key: "year", amount: 1, unit: "year", type: "relative" },
];
const HOUR = 3_600_000;
const LENGTHS: Partial<Record<Unit, number>> = {
  second: 1000,
  minute: 60_000,
  hour: HOUR,
  day: 24 * HOUR,
  week: 7 * 24 * HOUR,
  month: 30 * 24 * HOUR,
  year: 365 * 24 * HOUR,
};

export function spanOf(query: URLSearchParams): Span {
  const from = query.get("from");
  const to = query.get("to");
  if (from !== null || to !== null) return { type: "absolute", startDate: from ?? "", endDate: to ?? "" };
  const [, amount, unit] = /^(\d{1,4})-([a-z]+)$/.exec(query.get("last") ?? "") ?? [];
  if (amount === undefined || unit === undefined || !(unit in LENGTHS)) return USUAL;
  return { type: "relative", amount: Number(amount), unit: unit as Unit };
}

export function spanQuery(span: Span | null): Record<"from" | "to" | "last", string | undefined> {
  if (span === null) return { from: undefined, to: undefined, last: undefined };
  if (span.type === "absolute") return { from: span.startDate, to: span.endDate, last: undefined };
  const usual = span.amount === 1 && span.unit === "day";
  return { from: undefined, to: undefined, last: usual ? undefined : `${span.amount}-${span.unit}` };
}

export interface Bounds {
  from?: string;
  to?: string;
}

/** The end of what is looked at, as the lists of /v1 take it: everything up to and including `at`. */
export function upTo(at: string | null): { to?: string } {
  if (at === null) return {};
  const position = /^@(\d+)$/.exec(at)?.[1];
  return { to: position === undefined ? at : `@${Number(position) + 1}` };
}

/** What /v1 takes. `asOf`: nothing later than that is shown, and a relative span ends there if it is a time. */
export function boundsOf(span: Span, asOf: string | null, now: number): Bounds {
  if (span.type === "absolute") {
    const to = earlier(upTo(asOf).to ?? "", span.endDate);
    return { ...(span.startDate === "" ? {} : { from: span.startDate }), ...(to === "" ? {} : { to }) };
  }
  const then = asOf === null ? now : asOf.startsWith("@") ? NaN : Date.parse(asOf);
  const length = span.amount * (LENGTHS[span.unit] ?? HOUR);
  return {
    ...(Number.isNaN(then) ? {} : { from: new Date(then - length).toISOString() }), // before a position: everything
    ...upTo(asOf),
  };
}

/** Of two ends; "" is none. Nobody here knows which of a position and a time comes first, so the time that is shown counts then. */
function earlier(asOf: string, end: string): string {
  if (asOf === "" || end === "") return asOf || end;
  const positions = asOf.startsWith("@") || end.startsWith("@"); // Date.parse takes one for a date
  return !positions && Date.parse(end) < Date.parse(asOf) ? end : asOf;
}

/** How long they are apart in milliseconds. Without a beginning it is the whole record, and nobody here knows when a position was. */
export function lengthOf({ from, to }: Bounds, now: number): number {
  const ends = [from ?? "", to ?? new Date(now).toISOString()];
  const [first = NaN, last = NaN] = ends.map((each) => (each.startsWith("@") ? NaN : Date.parse(each)));
  return Number.isNaN(first) || Number.isNaN(last) ? Infinity : last - first;
}
