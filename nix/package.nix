# The Cargo workspace and its programs, each after its dependencies: those know no source of ours,
# and stay when one changes. There are two of all: `optimised` is what a person runs; `checked` is
# compiled in a quarter of the time, for the checks, which must not cost a wait.
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

  # buildType: nixpkgs' word for cargo's profile. With the tests' dependencies, or without: what is
  # compiled together decides on the dependencies' features, so that it is the same in all steps.
  build =
    { buildType, withTests }:
    let
      target = stdenv.hostPlatform.rust.rustcTarget;
      folder = "target/${target}/${buildType}";

      package = rustPlatform.buildRustPackage {
        pname = "fgm";
        version = (lib.importTOML ../Cargo.toml).workspace.package.version;
        src = sources.rust;
        cargoLock.lockFile = ../Cargo.lock;
        # It would compile the workspace in another way than cargo does for the tests.
        auditable = false;
        inherit buildType;
        # One test is enough to bring in the dependencies of all.
        cargoBuildFlags = [ "--workspace" "--bins" ] ++ lib.optionals withTests [ "--test" "manifests" ];
        # Sources in the store are as old as can be: these are newer than their empty forerunners.
        preBuild = ''
          tar -xf ${dependencies}/target.tar
          find crates tests -name '*.rs' -exec touch {} +
        '';
        doCheck = false;
        env = {
          # Nobody takes a debugger to these programs, and without it they link in half the time.
          CARGO_PROFILE_DEV_DEBUG = "false";
          FGM_WEB = "stub";
          INSTA_UPDATE = "no";
          PROPTEST_RNG_SEED = "1";
          PROPTEST_DISABLE_FAILURE_PERSISTENCE = "true";
        };
        meta = {
          description = "All programs of Fine-Grained Monitor";
          license = lib.licenses.asl20;
          platforms = lib.platforms.linux;
          mainProgram = "fgm-lab";
        };
      };

      # Below crates with nothing in them. The archive keeps the times by which cargo tells what is
      # fresh.
      dependencies = package.overrideAttrs (old: {
        pname = "fgm-dependencies";
        src = sources.cargo;
        postPatch = lib.concatMapStrings (crate: ''
          mkdir -p ${crate.folder}/src
          cp ${writeText "Cargo.toml" crate.text} ${crate.folder}/Cargo.toml
          touch ${crate.folder}/src/lib.rs
        '') sources.manifests + "echo 'fn main() {}' > crates/web/build.rs";
        cargoBuildFlags = [ "--workspace" "--lib" ] ++ lib.optional withTests "--tests";
        preBuild = "";
        # As clippy needs them: their macros and build scripts are shared.
        postBuild = lib.optionalString withTests "cargo check --offline --target ${target} --workspace --all-targets";
        installPhase = ''
          mkdir $out
          tar -cf $out/target.tar target
        '';
        meta = removeAttrs old.meta [ "mainProgram" ] // { description = "The workspace's dependencies, compiled"; };
      });

      workspace = package.overrideAttrs (old: {
        env = removeAttrs old.env [ "FGM_WEB" ] // { FGM_WEB_DIST = "${web}"; };
        installPhase = ''
          runHook preInstall
          for program in ${lib.escapeShellArgs (lib.attrNames programs)}; do
            install -Dm755 ${folder}/$program $out/bin/$program
          done
          runHook postInstall
        '';
        passthru.binaries = lib.mapAttrs (
          name: description:
          runCommand name
            { meta = old.meta // { inherit description; mainProgram = name; }; }
            "install -Dm755 ${workspace}/bin/${name} $out/bin/${name}"
        ) programs;
      });
    in
    { inherit target folder package dependencies workspace; };
in
{
  optimised = build { buildType = "release"; withTests = false; };
  checked = build { buildType = "debug"; withTests = true; };
}
