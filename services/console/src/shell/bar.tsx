/** The bar on top: the time that is shown, the theme, who works here, and which role they could switch to. */

import type { ButtonDropdownProps } from "@cloudscape-design/components/button-dropdown";
import TopNavigation from "@cloudscape-design/components/top-navigation";
import { useState } from "react";

import { chooseTheme, recentRoles, rememberRoles, theme } from "../preferences";
import { BASE, follow, href, navigate } from "../router";
import { queryOf, type Role, roleArn, shownName } from "../session/role";
import { type Session, signOut, switchBack, useSigned } from "../session/session";
import type { Act } from "../shown/act";
import { visible } from "../shown/visible";
import { RoleStrip } from "./role-strip";
import { nameOf } from "./who";

interface BarProps {
  session: Session;
  choose: () => void;
  switching: Act;
  /** Switch at once, as recently. */
  switchTo: (role: Role) => void;
}

/** The form that switches, and then leads back to this page. */
function switchPage(role?: Role): string {
  const query = new URLSearchParams(role === undefined ? {} : queryOf(role));
  const here = location.pathname.slice(BASE.length) + location.search;
  if (!here.startsWith("/switch-role")) query.set("from", here);
  return `${BASE}/switch-role?${query.toString()}`;
}

export function Bar({ session, choose, switching, switchTo }: BarProps) {
  const [shown, setShown] = useState(theme());
  const { first, assumed } = useSigned();
  const [recent, setRecent] = useState(() => recentRoles(first?.identity.arn ?? ""));
  const { arn, account } = session.identity;
  const others = recent.filter((each) => assumed === null || roleArn(each) !== roleArn(assumed.role));
  const root = first?.identity.root === true;

  const items: ButtonDropdownProps.Items = [
    { id: "account", text: `Account ${visible(account)}`, disabled: true },
    { id: "own", text: "My security credentials" },
    ...(assumed === null || first === null ? [] : [{ id: "back", text: `Switch back to ${visible(nameOf(first))}` }]),
    {
      id: "switch",
      text: "Switch role",
      ...(root ? { disabled: true, disabledReason: "The root user cannot assume a role. Sign in as a user." } : {}),
    },
    ...(others.length === 0 || root
      ? []
      : [
          {
            id: "recent",
            text: "Roles used last",
            items: [
              ...others.map((each, index) => ({ id: `recent ${index}`, text: visible(shownName(each)), disabled: switching.busy })),
              { id: "forget", text: "Forget these roles" },
            ],
          },
        ]),
    { id: "sign-out", text: "Sign out" },
  ];

  function chosen(id: string) {
    if (id === "sign-out") signOut();
    else if (id === "back") switchBack();
    else if (id === "own") navigate(href("/security-credentials"));
    else if (id === "switch") navigate(switchPage());
    else if (id === "forget") {
      rememberRoles(first?.identity.arn ?? "", []);
      setRecent([]);
    } else {
      const role = others[Number(id.split(" ")[1])];
      if (role !== undefined) switchTo(role);
    }
  }

  return (
    <>
      <TopNavigation
        identity={{ href: `${BASE}/`, title: "Keytrail", onFollow: follow }}
        utilities={[
          { type: "button", iconName: "history", text: "Time", ariaLabel: "Time: show the past", onClick: choose },
          {
            type: "button",
            text: shown === "dark" ? "Light" : "Dark",
            ariaLabel: shown === "dark" ? "Show in light colours" : "Show in dark colours",
            onClick: () => {
              const other = shown === "dark" ? "light" : "dark";
              chooseTheme(other);
              setShown(other);
            },
          },
          {
            type: "menu-dropdown",
            iconName: "user-profile",
            text: visible(nameOf(session)),
            description: visible(arn),
            items,
            onItemClick: ({ detail }) => chosen(detail.id),
          },
        ]}
      />
      {assumed !== null && first !== null && <RoleStrip role={assumed} first={first} />}
    </>
  );
}
