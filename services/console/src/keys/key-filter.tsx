/** The filter above a list of keys, as they are and as they were. It stands in the URL. */

import PropertyFilter from "@cloudscape-design/components/property-filter";

import { changeQuery } from "../router";
import { FIELDS, OPTIONS } from "./filters";

export function KeyFilter({ values, placeholder }: { values: ReturnType<typeof FIELDS.valuesOf>; placeholder: string }) {
  return (
    <PropertyFilter
      query={FIELDS.tokensOf(values)}
      onChange={({ detail }) => changeQuery(FIELDS.queryOf(detail.tokens, values))}
      filteringProperties={FIELDS.properties}
      filteringOptions={OPTIONS}
      hideOperations
      expandToViewport
      filteringPlaceholder={placeholder}
      filteringAriaLabel="Find keys"
    />
  );
}
