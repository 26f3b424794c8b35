/** A time as the reader's clock has it, with the name of its zone, and UTC on hover and for machines. */

const LOCAL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const ZONE = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" });

/** The name of the zone in which the console shows times: UTC, CET, GMT+1. It differs in summer. */
export function zoneWords(moment: Date = new Date()): string {
  return ZONE.formatToParts(moment).find((each) => each.type === "timeZoneName")?.value ?? "";
}

/** null if it is no time. */
export function timeWords(at: string): string | null {
  const moment = new Date(at);
  return Number.isNaN(moment.getTime()) ? null : LOCAL.format(moment);
}

export function Time({ at }: { at: string | Date | null | undefined }) {
  if (at === null || at === undefined) return <>–</>;
  const moment = typeof at === "string" ? new Date(at) : at;
  if (Number.isNaN(moment.getTime())) return <>–</>;
  return (
    <time dateTime={moment.toISOString()} title={moment.toISOString()}>
      {LOCAL.format(moment)}
    </time>
  );
}
