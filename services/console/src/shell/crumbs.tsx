/** The way back from the page of one thing to the list that it is in. */

import BreadcrumbGroup from "@cloudscape-design/components/breadcrumb-group";

import { follow, href } from "../router";
import { PAGES, type PageRow } from "../routes";

/** The page in the navigation that the path belongs to. */
export function listedPage(path: string): PageRow | undefined {
  const listed = PAGES.filter((each) => each.section !== null && `${path}/`.startsWith(`${each.path}/`));
  return listed.sort((one, other) => other.path.length - one.path.length)[0];
}

export function Crumbs({ path, here }: { path: string; here: string }) {
  const list = listedPage(path);
  if (list === undefined) return null;
  return (
    <BreadcrumbGroup
      ariaLabel="Breadcrumbs"
      items={[
        { text: list.title, href: href(list.path) },
        { text: here, href: location.pathname },
      ]}
      onFollow={follow}
    />
  );
}
