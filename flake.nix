{
  description = "Fine-Grained Monitor: what every container really did, second by second";

  # The one input. crane would be a second source to pin: nix/package.nix does the part of its
  # work that is needed here, and keeps the compiled dependencies.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      systems = [ "x86_64-linux" "aarch64-linux" ];
      parts =
        system:
        let
          pkgs = nixpkgs.legacyPackages.${system};
          # What is a set of packages is imported: callPackage would add `override` to it.
          call = lib.callPackageWith (pkgs // it);
          it = {
            sources = import ./nix/sources.nix { inherit lib; root = ./.; };
            web = call ./nix/web.nix { };
            inherit (call ./nix/package.nix { }) checkedDependencies tested workspace;
            images = import ./nix/images.nix {
              inherit (pkgs) lib dockerTools;
              inherit (it) workspace;
              revision = self.rev or self.dirtyRev or "unknown";
            };
            manifests = call ./nix/manifests.nix { };
            cluster = import ./nix/cluster.nix {
              inherit (pkgs) lib writeShellApplication linkFarm kind kubectl kustomize gnutar;
              inherit (it) sources workspace images;
            };
            scenarios = import ./nix/scenarios.nix {
              inherit (pkgs) lib writeShellApplication kubectl;
              inherit (it) workspace;
              folder = ./scenarios;
            };
            checks = import ./nix/checks.nix {
              inherit (pkgs) lib stdenv runCommand cargo-deny clippy curl rustfmt shellcheck;
              inherit (it) sources web checkedDependencies tested workspace images manifests apps;
            };
            apps = it.cluster // it.scenarios;
            shell = call ./nix/shell.nix { };
          };
        in
        it;
      each = f: lib.genAttrs systems (system: f (parts system));
    in
    {
      packages = each (it: { inherit (it) web manifests; default = it.workspace; } // it.workspace.binaries // it.images);
      apps = each (it: lib.mapAttrs (_: script: {
        type = "app";
        program = lib.getExe script;
        meta.description = script.meta.description;
      }) it.apps);
      checks = each (it: it.checks);
      devShells = each (it: { default = it.shell; });
      formatter = lib.genAttrs systems (system: nixpkgs.legacyPackages.${system}.nixfmt);
    };
}
