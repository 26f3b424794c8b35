/** What a verification found, in sentences. */

export interface Verified {
  whole: boolean;
  log: string;
  valid: number;
  position: number;
  head: string;
  fault: string;
  at: number | null;
  voids: unknown[];
  strange: unknown[];
  decisions: {
    valid: number;
    of_earlier_versions: number;
    strange_count: number;
    copies_count: number;
    not_bound: number;
    gone: number;
    faults: string[];
  };
  topics: Record<string, { records: number; strange: number }>;
  /** null for an installation without a transparency log */
  tree: { leaves: number; waiting: number; gone: number; differing: number; differences: string[] } | null;
  projections: { table: string; unknown: number; missing: number }[] | null;
}

export interface Finding {
  type: "success" | "warning" | "error" | "info";
  text: string;
}

/** `right` says that nothing is wrong, `wrong` that something is. */
export function findings(found: Verified): Finding[] {
  const { decisions, topics, tree, projections } = found;
  const said: Finding[] = [
    found.fault === ""
      ? right(`${counted(found.valid, "record")} of the log: each is Keytrail's own, in its place and unchanged.`)
      : wrong(`The log is broken at position ${found.at ?? 0}: ${found.fault}.`),
  ];
  if (found.fault !== "") return said;
  said.push(...foreign(found.strange.length, "the log"));
  said.push(...decisions.faults.map((fault) => wrong(`Decisions: ${fault}.`)));
  if (decisions.faults.length === 0) said.push(right(`${counted(decisions.valid, "decision")} on calls that changed nothing.`));
  if (decisions.of_earlier_versions > 0)
    said.push(info(`${counted(decisions.of_earlier_versions, "decision")} of versions that made no MACs: nothing binds them.`));
  if (decisions.gone > 0) said.push(info(`${counted(decisions.gone, "earlier decision")} went with the topic's retention.`));
  if (decisions.not_bound > 0) said.push(info(`${counted(decisions.not_bound, "decision")} not yet bound by an anchor on the log.`));
  said.push(...foreign(decisions.strange_count, "the decisions"));
  if (decisions.copies_count > 0) said.push(warning(`${counted(decisions.copies_count, "copied decision")}, which every reader skips.`));
  for (const [kind, { records, strange }] of Object.entries(topics)) {
    said.push(...foreign(strange, kind));
    if (strange === 0) said.push(right(kind === "commands" ? waiting(records) : `${counted(records, "record")} of ${kind}.`));
  }
  if (tree !== null) {
    if (tree.differing === 0) said.push(right(`${counted(tree.leaves, "record")} of the transparency log: each is the leaf that was published.`));
    said.push(...tree.differences.map((difference) => wrong(`Transparency log: ${difference}.`)));
    if (tree.differing > tree.differences.length) said.push(wrong(`${counted(tree.differing, "difference")} of the transparency log in all.`));
    if (tree.waiting > 0) said.push(info(`${counted(tree.waiting, "record")} not in the transparency log yet.`));
  }
  if (projections === null) said.push(info("The tables were not compared with the topics."));
  else if (projections.length === 0) said.push(right("Every table says what the topics say."));
  for (const { table, unknown, missing } of projections ?? [])
    said.push(wrong(`${table} has ${counted(unknown, "row")} that no record says, and lacks ${missing}. On the host, \`keytrail rebuild ${nameOf(table)}\` mends it.`));
  return said;
}

function foreign(count: number, where: string): Finding[] {
  return count === 0 ? [] : [warning(`${counted(count, "value")} on ${where} that Keytrail did not write, which every reader skips.`)];
}

function waiting(commands: number): string {
  return commands === 0 ? "No command waits for its answer." : `${counted(commands, "command")} not answered yet.`;
}

/** p_decisions.decisions is a table of the projection `decisions`. */
function nameOf(table: string): string {
  return (table.split(".")[0] ?? "").replace(/^p_/, "");
}

function counted(count: number, one: string): string {
  return `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;
}

const right = (text: string): Finding => ({ type: "success", text });
const wrong = (text: string): Finding => ({ type: "error", text });
const warning = (text: string): Finding => ({ type: "warning", text });
const info = (text: string): Finding => ({ type: "info", text });

const HEAD = /^[0-9]{1,17}:[0-9a-f]{64}$/;

/** Why a head that the user typed cannot be one; "" if it can, or if there is none. */
export function faultOfHead(text: string): string {
  return text === "" || HEAD.test(text) ? "" : "Write the position, a colon and the 64 characters of the digest, as this page shows them.";
}
