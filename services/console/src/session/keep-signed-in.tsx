import Checkbox from "@cloudscape-design/components/checkbox";

export function KeepSignedIn({ keep, change }: { keep: boolean; change: (keep: boolean) => void }) {
  return (
    <Checkbox
      checked={keep}
      onChange={({ detail }) => change(detail.checked)}
      description="Tabs that you open are signed in, too. Otherwise a reload asks for it again."
    >
      Keep me signed in until this tab closes
    </Checkbox>
  );
}
