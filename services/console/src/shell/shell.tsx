/** What stands around every page once somebody is signed in: bar, navigation, and the page of the URL. */

import AppLayout from "@cloudscape-design/components/app-layout";
import Box from "@cloudscape-design/components/box";
import ContentLayout from "@cloudscape-design/components/content-layout";
import Flashbar from "@cloudscape-design/components/flashbar";
import Header from "@cloudscape-design/components/header";
import { I18nProvider } from "@cloudscape-design/components/i18n";
import messages from "@cloudscape-design/components/i18n/messages/all.en";
import Link from "@cloudscape-design/components/link";
import SideNavigation, { type SideNavigationProps } from "@cloudscape-design/components/side-navigation";
import Spinner from "@cloudscape-design/components/spinner";
import { Suspense, useEffect, useState } from "react";

import { follow, href, match, navigate, useAsOf, usePlace, useTrail } from "../router";
import { HOME, PAGES, type PageRow } from "../routes";
import { watchSession } from "../session/idle";
import { RefusedRole } from "../session/refused-role";
import type { Session } from "../session/session";
import { useAct } from "../shown/act";
import { useNotice } from "../shown/notice";
import { useShownSubject } from "../shown/subject";
import { visible } from "../shown/visible";
import { ChooseMoment, PastBar } from "../time/as-of";
import { TrailBar } from "../time/trail-bar";
import { isMoment } from "../time/moment";
import { toHeading, useArrival } from "./arrival";
import { Bar } from "./bar";
import { CrashFence } from "./crash-fence";
import { Crumbs, listedPage } from "./crumbs";
import styles from "./shell.module.css";

export default function Shell({ session }: { session: Session }) {
  const { path, query } = usePlace();
  const row = PAGES.find((each) => match(each.path, path) !== null);
  const [at] = useAsOf();
  const [choosing, choose] = useState(false);
  const switching = useAct();
  const [switched, setSwitched] = useState("");
  useEffect(() => watchSession(), []);
  useEffect(() => {
    if (path === "/") navigate(href(HOME), { replace: true });
  }, [path]);
  const page = row === undefined ? path : subject(row, path);
  const content = useArrival(page);
  const named = useShownSubject();
  const [notice, closeNotice] = useNotice();
  useEffect(() => {
    document.title = [named, row?.title ?? "", "Keytrail"].filter((each) => each !== "").join(" · ");
  }, [named, row]);

  return (
    <I18nProvider locale="en" messages={[messages]}>
      <a
        href="#content"
        className={styles["skip"]}
        onClick={(event) => {
          event.preventDefault();
          if (content.current !== null) toHeading(content.current);
        }}
      >
        Skip to main content
      </a>
      <div id="bar" className={styles["bar"]}>
        <Bar
          session={session}
          choose={() => choose(true)}
          switching={switching}
          switchTo={(role) => {
            setSwitched(page);
            switching.run(async () => (await import("../session/switching")).assume(role));
          }}
        />
      </div>
      <AppLayout
        headerSelector="#bar"
        toolsHide
        navigation={<Navigation path={path} />}
        breadcrumbs={row?.section === null && <Crumbs path={path} here={named === "" ? row.title : named} />}
        notifications={
          notice !== null && (
            <Flashbar
              items={[
                {
                  type: "success",
                  ariaRole: "status",
                  content: (
                    <>
                      {visible(notice.text)}{" "}
                      {notice.link !== undefined && (
                        <Link href={notice.link.href} color="inverted" onFollow={follow}>
                          {visible(notice.link.text)}
                        </Link>
                      )}
                    </>
                  ),
                  dismissible: true,
                  dismissLabel: "Close",
                  onDismiss: closeNotice,
                },
              ]}
            />
          )
        }
        content={
          <div id="content" ref={content} tabIndex={-1} className={styles["content"]}>
            <TrailBar shows={row?.ofTrail !== undefined} />
            <PastBar shows={row?.past !== undefined} choose={() => choose(true)} />
            {choosing && <ChooseMoment close={() => choose(false)} />}
            {switching.fault !== null && switched === page && <RefusedRole fault={switching.fault} />}
            <CrashFence key={page}>
            <Suspense fallback={<Spinner size="large" />}>
              {row === undefined ? <Nowhere /> : <Shown row={row} at={at} path={path} query={query} />}
            </Suspense>
            </CrashFence>
          </div>
        }
      />
    </I18nProvider>
  );
}

function Shown({ row, at, path, query }: { row: PageRow; at: string | null; path: string; query: URLSearchParams }) {
  const trail = useTrail();
  if (at !== null && !isMoment(at)) return null;
  const instead = trail === null ? (at === null ? "itself" : row.past) : row.ofTrail;
  const Page = instead === "itself" ? row.page : instead;
  return Page === undefined ? null : <Page places={match(row.path, path) ?? {}} query={query} />;
}

/** What stands for the page that is shown. A page stays as it is while its user goes from tab to tab. */
function subject(row: PageRow, path: string): string {
  const places = Object.entries(match(row.path, path) ?? {});
  return JSON.stringify([row.title, places.filter(([name]) => name !== "tab")]);
}

function Navigation({ path }: { path: string }) {
  const sections = new Map<string, PageRow[]>();
  for (const each of PAGES) {
    if (each.section !== null) sections.set(each.section, [...(sections.get(each.section) ?? []), each]);
  }
  const items: SideNavigationProps.Item[] = [...sections].map(([text, rows]) => ({
    type: "section-group",
    title: text,
    items: rows.map((row) => ({ type: "link", text: row.title, href: linkTo(row) })),
  }));
  const active = listedPage(path);
  return (
    <SideNavigation
      header={{ text: "Key management", href: href(HOME) }}
      items={items}
      onFollow={follow}
      {...(active === undefined ? {} : { activeHref: linkTo(active) })}
    />
  );
}

/** A page that asks our own log alone is outside of the trail. */
function linkTo(row: PageRow): string {
  return href(row.path, {}, row.ofTrail === undefined ? { trail: "" } : {});
}

function Nowhere() {
  return (
    <ContentLayout header={<Header variant="h1">There is no such page</Header>}>
      <Box variant="p">The address names nothing here. The navigation lists every page.</Box>
    </ContentLayout>
  );
}
