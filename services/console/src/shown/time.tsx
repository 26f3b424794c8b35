/** A time as the reader's clock has it, with UTC on hover and for machines. */

const LOCAL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

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
