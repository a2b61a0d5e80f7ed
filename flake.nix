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
          sources = import ./nix/sources.nix { inherit lib; root = ./.; };
          # What is a set of packages is imported: callPackage would add `override` to it.
          call = lib.callPackageWith (pkgs // { inherit sources web; });
          web = call ./nix/web.nix { };
          rust = call ./nix/package.nix { };
          # What is made of the programs.
          lab =
            workspace: revision:
            let
              built = import ./nix/images.nix { inherit (pkgs) lib dockerTools linkFarm; inherit workspace revision; };
              shared = { inherit (pkgs) writeShellApplication kind gnutar; inherit (built) archives; inherit workspace; };
            in
            {
              inherit workspace;
              inherit (built) images archives;
              manifests = call ./nix/manifests.nix { inherit (built) images; };
              apps =
                import ./nix/cluster.nix (shared // { inherit (pkgs) kubectl kustomize; inherit sources; })
                // import ./nix/scenarios.nix (shared // { inherit lib; folder = ./scenarios; });
            };
        in
        lab rust.optimised.workspace (self.rev or self.dirtyRev or "unknown") // {
          inherit web;
          shell = call ./nix/shell.nix { };
          checks = import ./nix/checks.nix {
            inherit (pkgs) lib runCommand linkFarm cacert cargo-deny clippy curl rustfmt shellcheck;
            inherit sources web;
            rust = rust.checked;
            lab = lab rust.checked.workspace "none";
          };
        };
      each = f: lib.genAttrs systems (system: f (parts system));
    in
    {
      packages = each (it: { inherit (it) web manifests; default = it.workspace; } // it.workspace.binaries // it.images);
      apps = each (it: lib.mapAttrs (_: script: { type = "app"; program = lib.getExe script; meta.description = script.meta.description; }) it.apps);
      checks = each (it: it.checks);
      devShells = each (it: { default = it.shell; });
      formatter = lib.genAttrs systems (system: nixpkgs.legacyPackages.${system}.nixfmt);
    };
}
