import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";

import { visible } from "../../shown/visible";
import { NARROWEST } from "../../shown/widths";
import type { TabProps } from "./facts";
import { ORIGINS, typeOf, USAGES } from "./words";

export function CryptographyTab({ facts }: TabProps) {
  if (facts === null) return <Box color="text-body-secondary">It is part of what kms:DescribeKey shows.</Box>;
  return (
    <Container header={<Header variant="h2">Cryptographic configuration</Header>}>
      <KeyValuePairs
        minColumnWidth={NARROWEST}
        columns={3}
        items={[
          { label: "Key type", value: typeOf(facts.spec) },
          { label: "Key spec", value: visible(facts.spec) },
          { label: "Key usage", value: USAGES[facts.usage] ?? visible(facts.usage) },
          { label: "Origin", value: ORIGINS[facts.origin] ?? visible(facts.origin) },
          ...(facts.algorithms.length > 0 ? [{ label: "Algorithms", value: facts.algorithms.map((each) => visible(each)).join(", ") }] : []),
          ...(facts.material === "" ? [] : [{ label: "Current key material ID", value: visible(facts.material) }]),
        ]}
      />
    </Container>
  );
}
