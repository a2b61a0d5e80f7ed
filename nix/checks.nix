# `nix flake check`: tests, lints, and the built things tried in the sandbox. Each is keyed by what
# it reads: a change of the documents rebuilds none, one of the page or of kind/ no compilation
# of the dependencies.
{ lib, stdenv, runCommand, cargo-deny, clippy, curl, rustfmt, shellcheck, sources, web, checkedDependencies, tested, workspace, images, manifests, apps }:
let
  # The workspace's derivation with another command instead of build, tests and install.
  cargo =
    name: change:
    tested.overrideAttrs (
      old:
      {
        pname = "fgm-${name}";
        doCheck = false;
        installPhase = "touch $out";
        meta = old.meta // { description = "${name} is content with the workspace"; };
      }
      // change old
    );
in
{
  inherit tested web manifests;

  clippy = cargo "clippy" (old: {
    nativeBuildInputs = old.nativeBuildInputs ++ [ clippy ];
    preBuild = ''
      tar -xf ${checkedDependencies}/target.tar
      find crates tests -name '*.rs' -exec touch {} +
    '';
    buildPhase = ''
      runHook preBuild
      cargo clippy --offline --profile release --target ${stdenv.hostPlatform.rust.rustcTarget} --workspace --all-targets -- -D warnings
      runHook postBuild
    '';
  });

  fmt = cargo "fmt" (old: {
    nativeBuildInputs = old.nativeBuildInputs ++ [ rustfmt ];
    preBuild = "";
    buildPhase = "cargo fmt --all --check";
  });

  deny = cargo "deny" (old: {
    src = sources.deny;
    nativeBuildInputs = old.nativeBuildInputs ++ [ cargo-deny ];
    buildPhase = "cargo deny --offline --log-level error check bans licenses sources";
  });

  # The rendered manifests, by the story that knows what they may grant.
  manifests-grant-no-more = cargo "manifests" (old: {
    nativeBuildInputs = [ ];
    configurePhase = "true";
    buildPhase = ''
      cp -r ${sources.kind} kind
      mkdir -p programs/deps
      cp ${tested}/libexec/manifests programs/deps/
      ln -s ${workspace}/bin/* programs/
      INSTA_WORKSPACE_ROOT=$PWD FGM_MANIFESTS=${manifests} FGM_REQUIRE_ALL=1 programs/deps/manifests
    '';
  });

  scripts = runCommand "fgm-scripts" { nativeBuildInputs = [ shellcheck ]; } ''
    shellcheck ${sources.kind}/images.sh
    touch $out
  '';

  # Recorder, consolidator and viewer over loopback, on a cgroup tree of plain files.
  end-to-end = runCommand "fgm-end-to-end" { nativeBuildInputs = [ curl workspace ]; } (
    builtins.readFile ./end-to-end.sh + "touch $out"
  );
}
// lib.mapAttrs' (name: lib.nameValuePair "app-${name}") apps
// images
