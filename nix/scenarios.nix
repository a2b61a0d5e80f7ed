# One app per folder of scenarios/, so that list and flake cannot differ.
{ lib, writeShellApplication, kubectl, workspace, folder }:
let
  names = lib.optionals (builtins.pathExists folder) (
    lib.attrNames (lib.filterAttrs (_: type: type == "directory") (builtins.readDir folder))
  );
  app =
    name: arguments: description:
    writeShellApplication {
      inherit name;
      meta = { inherit description; };
      runtimeInputs = [ workspace.binaries.fgm-lab kubectl ];
      text = ''exec fgm-lab scenario ${arguments}"$@"'';
    };
in
lib.optionalAttrs (names != [ ]) { scenario = app "fgm-scenario" "" "Run, list and stop the scenarios of the lab"; }
// lib.genAttrs' names (
  name:
  lib.nameValuePair "scenario-${name}" (
    app "fgm-scenario-${name}" "run ${name} " "Run the scenario ${name} in the cluster"
  )
)
