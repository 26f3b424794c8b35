/** The formats in which calls are exported, and what each is for. The description of /v1 says which there are. */

import type { paths } from "../v1/schema";

export type Format = paths["/v1/decisions/export"]["get"]["parameters"]["query"]["format"];

interface FormatRow {
  label: string;
  description: string;
  ending: string;
  /** Lines that are no calls; null if the file has no lines. */
  headings: number | null;
}

export const FORMATS: Readonly<Record<Format, FormatRow>> = {
  csv: {
    label: "CSV",
    description: "A table for a spreadsheet. Text that a spreadsheet would run gets an apostrophe before it.",
    ending: ".csv",
    headings: 1,
  },
  parquet: {
    label: "Parquet",
    description: "Typed columns, compressed, for DuckDB, Spark or pandas. By far the smallest.",
    ending: ".parquet",
    headings: null,
  },
  json: {
    label: "JSON lines",
    description: "One object a line, with everything that the evaluator read.",
    ending: ".jsonl",
    headings: 0,
  },
  ocsf: { label: "OCSF", description: "API Activity events of the Open Cybersecurity Schema Framework, for a SIEM.", ending: ".ocsf.jsonl", headings: 0 },
  cloudtrail: { label: "CloudTrail", description: "Records as AWS CloudTrail writes them.", ending: ".cloudtrail.jsonl", headings: 0 },
};
