/** Chooses the span of time that a page asks about. */

import DateRangePicker from "@cloudscape-design/components/date-range-picker";

import { RELATIVE, type Span } from "./span";

export function SpanPicker({ span, onChange }: { span: Span | null; onChange: (span: Span | null) => void }) {
  return (
    <DateRangePicker
      value={span}
      onChange={({ detail }) => onChange(detail.value)}
      relativeOptions={[...RELATIVE]}
      isValidRange={(range) =>
        range?.type === "absolute" && range.endDate !== "" && range.startDate > range.endDate
          ? { valid: false, errorMessage: "The end is before the beginning." }
          : { valid: true }
      }
      placeholder="All the time"
      expandToViewport
      i18nStrings={{
        formatRelativeRange: ({ amount, unit }) => (amount === 1 ? `Last ${unit}` : `Last ${amount} ${unit}s`),
      }}
    />
  );
}
