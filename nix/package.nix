# The Cargo workspace, compiled and tested once, and its programs. Three steps, each of which goes
# on in the target directory of the one before, so that a change compiles no more than it must:
# `dependencies` knows no source of ours, `tested` has a stub of the page, `workspace` the page.
{ lib, stdenv, rustPlatform, runCommand, writeText, sources, web }:
let
  programs = {
    fgm = "The recorder: every container of a node each second, into Parquet";
    fgm-viewer = "The recordings in a browser";
    fgm-consolidator = "Merges, rolls up, archives and deletes hours of recordings";
    fgm-lab = "The lab: record this machine, deploy to a cluster, look into the files";
    fgm-workload = "Programs that fail in one known way each";
    generate-bench-data = "Hours of a node's life with known truth";
  };

  target = stdenv.hostPlatform.rust.rustcTarget;

  # An archive keeps the times by which cargo tells what is fresh.
  keepTarget = ''
    mkdir -p $out
    tar -cf $out/target.tar target
  '';

  tested = rustPlatform.buildRustPackage {
    pname = "fgm-tested";
    version = (lib.importTOML ../Cargo.toml).workspace.package.version;
    src = sources.rust;
    cargoLock.lockFile = ../Cargo.lock;
    # It would compile the workspace in another way than the tests, and so twice.
    auditable = false;
    # With the tests' own dependencies, whose features are then those of the check phase.
    cargoBuildFlags = [ "--workspace" "--bins" "--tests" "--examples" ];
    cargoTestFlags = [ "--workspace" ];
    env = {
      FGM_WEB = "stub";
      INSTA_UPDATE = "no";
      PROPTEST_RNG_SEED = "1";
      PROPTEST_DISABLE_FAILURE_PERSISTENCE = "true";
    };
    # Sources in the store are as old as can be: these are newer than their empty forerunners.
    preBuild = ''
      tar -xf ${dependencies}/target.tar
      find crates tests -name '*.rs' -exec touch {} +
    '';
    preCheck = "export HOME=$TMPDIR";
    installPhase = ''
      runHook preInstall
      ${keepTarget}
      mkdir $out/libexec
      find target/${target}/release/deps -name 'manifests-*' -executable -exec install -m755 {} $out/libexec/manifests \;
      runHook postInstall
    '';
    meta = {
      description = "The workspace's target directory after its tests have passed";
      license = lib.licenses.asl20;
      platforms = lib.platforms.linux;
    };
  };

  # The dependencies alone, below crates with nothing in them.
  dependencies = tested.overrideAttrs (old: {
    pname = "fgm-dependencies";
    src = sources.cargo;
    postPatch = lib.concatMapStrings (crate: ''
      mkdir -p ${crate.folder}/src
      cp ${writeText "Cargo.toml" crate.text} ${crate.folder}/Cargo.toml
      touch ${crate.folder}/src/lib.rs
    '') sources.manifests + "echo 'fn main() {}' > crates/web/build.rs";
    preBuild = "";
    doCheck = false;
    installPhase = keepTarget;
    meta = old.meta // { description = "The workspace's dependencies, compiled"; };
  });

  # The same as clippy needs them.
  checkedDependencies = dependencies.overrideAttrs {
    pname = "fgm-checked-dependencies";
    buildPhase = ''
      runHook preBuild
      cargo check --offline --profile release --target ${target} --workspace --all-targets
      runHook postBuild
    '';
  };

  workspace = tested.overrideAttrs (old: {
    pname = "fgm";
    env = removeAttrs old.env [ "FGM_WEB" ] // { FGM_WEB_DIST = "${web}"; };
    preBuild = "tar -xf ${tested}/target.tar";
    # One test beside the programs: without any, features and so all dependencies would be others.
    cargoBuildFlags = [ "--workspace" "--bins" "--test" "manifests" ];
    doCheck = false;
    installPhase = ''
      runHook preInstall
      for program in ${lib.escapeShellArgs (lib.attrNames programs)}; do
        install -Dm755 target/${target}/release/$program $out/bin/$program
      done
      runHook postInstall
    '';
    passthru.binaries = lib.mapAttrs (
      name: description:
      runCommand name
        {
          meta = {
            inherit description;
            license = lib.licenses.asl20;
            platforms = lib.platforms.linux;
            mainProgram = name;
          };
        }
        "install -Dm755 ${workspace}/bin/${name} $out/bin/${name}"
    ) programs;
    meta = old.meta // {
      description = "All programs of Fine-Grained Monitor";
      mainProgram = "fgm-lab";
    };
  });
in
{
  inherit checkedDependencies tested workspace;
}
