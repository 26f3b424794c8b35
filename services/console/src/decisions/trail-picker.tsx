/** Chooses what a page asks about: our own log, or an imported trail. Nothing is shown to those who may not list trails. */

import Select from "@cloudscape-design/components/select";

import { changeQuery } from "../router";
import { useAnswer } from "../shown/answer";
import { visible } from "../shown/visible";
import { v1 } from "../v1/client";

const OWN = { value: "", label: "Our own log" };

export function TrailPicker({ trail }: { trail: string }) {
  const [answer] = useAnswer("trails to choose from", (signal) => v1().get("/v1/trails", { query: { limit: 1000 } }, signal));
  const trails = (answer.value?.items ?? []).map((each) => ({ value: each.trail, label: `Trail ${visible(each.trail)}` }));
  if (trail === "" && trails.length === 0) return null;
  const options = [OWN, ...trails];
  return (
    <Select
      ariaLabel="What is asked"
      selectedOption={options.find((each) => each.value === trail) ?? { value: trail, label: `Trail ${visible(trail)}` }}
      options={options}
      onChange={({ detail }) => changeQuery({ trail: detail.selectedOption.value })}
    />
  );
}
