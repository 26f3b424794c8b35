/** What the editor offers where the cursor stands: actions, condition operators, condition keys, or the members of a statement. */

export interface PolicyWords {
  actions: string[];
  operators: string[];
  condition_keys: { name: string; meaning: string }[];
}

export interface Offer {
  value: string;
  meaning: string;
}

const MEMBERS = ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

/** `before` is the text before the cursor. */
export function offers(before: string, words: PolicyWords): Offer[] {
  const [member, depth] = around(before);
  if (member === "Action" || member === "NotAction") return words.actions.map((value) => ({ value, meaning: "action" }));
  if (member === "Effect") return ["Allow", "Deny"].map((value) => ({ value, meaning: "effect" }));
  if (member === "Condition" && depth === 1) return words.operators.map((value) => ({ value, meaning: "operator" }));
  if (member === "Condition") return words.condition_keys.map(({ name, meaning }) => ({ value: name, meaning }));
  if (member === "Statement") return MEMBERS.map((value) => ({ value, meaning: "member" }));
  return [];
}

/** The member of a statement that the end of the text stands in, and how many braces deep in it. */
function around(text: string): [string, number] {
  const names: string[] = [];
  let last = "";
  let colon = false;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*(?:"|$)|[{}[\],:]/gs)) {
    if (token === "{" || token === "[") names.push(token === "{" && !colon ? "" : last);
    else if (token === "}" || token === "]") names.pop();
    else if (token.startsWith('"') && token.length > 1 && token.endsWith('"')) last = colon ? last : token.slice(1, -1);
    colon = token === ":" || (colon && token !== "," && token !== "{" && token !== "[" && token !== "}" && token !== "]");
    if (token === ",") colon = false;
  }
  for (const member of ["Condition", "Action", "NotAction"]) {
    const at = names.lastIndexOf(member);
    if (at >= 0) return [member, names.length - at];
  }
  if (colon && ["Action", "NotAction", "Effect"].includes(last)) return [last, 0];
  return [names.includes("Statement") && !colon ? "Statement" : "", 0];
}
