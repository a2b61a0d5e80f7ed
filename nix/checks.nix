# `nix flake check`: tests, lints, and the built things tried in the sandbox. Each is keyed by what
# it reads: a change of the documents rebuilds none, one of the page or of kind/ no Rust but the
# programs that show the page.
{ lib, runCommand, linkFarm, cacert, cargo-deny, clippy, curl, rustfmt, shellcheck, sources, web, rust, lab }:
let
  # The workspace's derivation with another command instead of build and install.
  cargo =
    name: change:
    rust.package.overrideAttrs (
      old:
      {
        pname = "fgm-${name}";
        installPhase = "touch $out";
        meta = removeAttrs old.meta [ "mainProgram" ] // { description = "${name} is content with the workspace"; };
      }
      // change old
    );

  # Also keeps the one story that is told again, of the manifests that are rendered here.
  tested = cargo "tested" (old: {
    cargoBuildFlags = [ "--workspace" "--bins" "--tests" "--examples" ];
    doCheck = true;
    # Stories wait for most of their time, and the units compute in it.
    checkPhase = ''
      runHook preCheck
      tests() { cargo test --offline --target ${rust.target} --workspace --no-fail-fast "$@"; }
      tests --test '*' &
      tests --lib --bins
      wait $!
      runHook postCheck
    '';
    # A tenth of the kills: they take a minute in which nothing else is checked.
    preCheck = "export HOME=$TMPDIR SSL_CERT_FILE=${cacert}/etc/ssl/certs/ca-bundle.crt FGM_CRASH_RUNS=20";
    installPhase = ''
      runHook preInstall
      mkdir -p $out/libexec
      find ${rust.folder}/deps -name 'manifests-*' -executable -exec install -m755 {} $out/libexec/manifests \;
      runHook postInstall
    '';
    meta = removeAttrs old.meta [ "mainProgram" ] // { description = "The workspace's tests have passed"; };
  });
in
{
  inherit web tested;
  inherit (lab) manifests;

  clippy = cargo "clippy" (old: {
    nativeBuildInputs = old.nativeBuildInputs ++ [ clippy ];
    buildPhase = ''
      runHook preBuild
      cargo clippy --offline --target ${rust.target} --workspace --all-targets -- -D warnings
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
    preBuild = "";
    buildPhase = "cargo deny --offline --log-level error check bans licenses sources";
  });

  # The rendered manifests, by the story that knows what they may grant.
  manifests-grant-no-more = runCommand "fgm-manifests-grant-no-more" { } ''
    cp -r ${sources.rust} source
    chmod u+w source
    cp -r ${sources.kind} source/kind
    cd source
    mkdir -p programs/deps
    cp ${tested}/libexec/manifests programs/deps/
    ln -s ${lab.workspace}/bin/* programs/
    INSTA_UPDATE=no INSTA_WORKSPACE_ROOT=$PWD FGM_MANIFESTS=${lab.manifests} FGM_REQUIRE_ALL=1 programs/deps/manifests
    touch $out
  '';

  scripts = runCommand "fgm-scripts" { nativeBuildInputs = [ shellcheck ]; } ''
    shellcheck ${sources.kind}/images.sh
    touch $out
  '';

  # Recorder, consolidator and viewer over loopback, on a cgroup tree of plain files.
  end-to-end = runCommand "fgm-end-to-end" { nativeBuildInputs = [ curl lab.workspace ]; } (
    builtins.readFile ./end-to-end.sh + "touch $out"
  );

  # All of them, and each by its name: `nix run .#checks.x86_64-linux.apps.deploy`.
  apps = linkFarm "fgm-apps" (lib.mapAttrs (_: lib.getExe) lab.apps) // lab.apps;
  images = lab.archives;
}
