// The page: header, pickers, panels, inspector, status.

import { Fragment } from "preact";
import { busy, said, view } from "../state/store";
import { writeUtc } from "../state/time";
import { Announcer } from "./Announcer";
import { Banner } from "./Banner";
import { ContainerPicker } from "./ContainerPicker";
import { Header } from "./Header";
import { Help } from "./Help";
import { Inspector } from "./Inspector";
import { MetricPicker } from "./MetricPicker";
import { Overview } from "./Overview";
import { Palette } from "./Palette";
import { Panels } from "./Panels";
import { StatusBar } from "./StatusBar";

/** A sentence that passes. */
function Said() {
  const { value } = said;
  return (
    <div class={`said ${value ? "shown" : ""} ${value?.bad ? "bad" : ""}`} role="status">
      {value?.text}
    </div>
  );
}

export function App() {
  const { utc } = view.value;
  writeUtc(utc);
  // Another zone is another page: every time in it is written anew.
  return (
    <Fragment key={utc ? "utc" : "local"}>
      <Header />
      <Overview />
      <div class={`progress ${busy.value ? "going" : ""}`} aria-hidden="true" />
      <aside class="l" aria-label="Metrics and containers">
        <MetricPicker />
        <ContainerPicker />
      </aside>
      <div class="middle">
        <Banner />
        <Panels />
      </div>
      <Inspector />
      <StatusBar />
      <Help />
      <Palette />
      <Said />
      <Announcer />
    </Fragment>
  );
}
