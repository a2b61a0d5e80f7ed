# One app per folder of scenarios/, so that list and flake cannot differ.
{ lib, writeShellApplication, kind, gnutar, workspace, archives, folder }:
let
  names = lib.attrNames (lib.filterAttrs (_: type: type == "directory") (builtins.readDir folder));
  app =
    name: arguments: description:
    writeShellApplication {
      inherit name;
      meta = { inherit description; };
      # Beside fgm-lab stands fgm-workload, for runs without a cluster.
      runtimeInputs = [ workspace kind gnutar ];
      runtimeEnv.FGM_SCENARIO_IMAGES = "${archives}";
      text = ''exec fgm-lab scenario ${arguments}"$@"'';
    };
in
{ scenario = app "fgm-scenario" "" "Run, list and stop the scenarios of the lab"; }
// lib.genAttrs' names (
  name:
  lib.nameValuePair "scenario-${name}" (
    app "fgm-scenario-${name}" "run ${name} " "Run the scenario ${name} in the cluster"
  )
)
