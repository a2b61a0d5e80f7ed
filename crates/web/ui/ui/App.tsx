// The page: header, pickers, panels, inspector, status.

import { busy } from "../state/store";
import { Announcer } from "./Announcer";
import { Banner } from "./Banner";
import { ContainerPicker } from "./ContainerPicker";
import { Header } from "./Header";
import { Help } from "./Help";
import { Inspector } from "./Inspector";
import { MetricPicker } from "./MetricPicker";
import { Panels } from "./Panels";
import { StatusBar } from "./StatusBar";

export function App() {
  return (
    <>
      <Header />
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
      <Announcer />
    </>
  );
}
