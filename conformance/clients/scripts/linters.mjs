// Redocly's and Spectral's recommended rules over the description that the server gives: no error, and no warning.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { run } from "./cases.mjs";

const program = (name) => fileURLToPath(new URL(`node_modules/.bin/${name}`, import.meta.url));
const answer = await fetch(`${process.env.AWS_ENDPOINT_URL}/v1/openapi.json`);
writeFileSync("openapi.json", await answer.text());
writeFileSync(".spectral.yaml", 'extends: ["spectral:oas"]');

function said(name, ...options) {
  const done = spawnSync(program(name), ["lint", ...options, "openapi.json"], { encoding: "utf8" });
  assert.equal(done.status, 0, done.stdout + done.stderr);
  return done.stdout;
}

await run("redocly", async () => {
  const { totals } = JSON.parse(said("redocly", "--format", "json"));
  assert.deepEqual([totals.errors, totals.warnings], [0, 0]);
});
await run("spectral", async () => {
  assert.deepEqual(JSON.parse(said("spectral", "--quiet", "--format", "json", "--fail-severity", "hint")), []);
});
