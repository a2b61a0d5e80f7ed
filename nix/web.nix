# The page: types checked, its logic tested, bundled into one file.
{ lib, buildNpmPackage, importNpmLock, sources }:
buildNpmPackage {
  pname = "fgm-web";
  version = (lib.importJSON ../crates/web/ui/package.json).version;
  src = sources.web;
  npmDeps = importNpmLock { npmRoot = ../crates/web/ui; };
  npmConfigHook = importNpmLock.npmConfigHook;
  # What the Rust side wrote and the page must read.
  env.FGM_VECTORS = "${../crates/viewer/tests/vectors}";
  doCheck = true;
  checkPhase = ''
    runHook preCheck
    npm run check
    npm test
    runHook postCheck
  '';
  installPhase = ''
    runHook preInstall
    cp -r dist $out
    runHook postInstall
  '';
  meta = {
    description = "The page that fgm-viewer serves, as one index.html";
    license = lib.licenses.asl20;
    platforms = lib.platforms.linux;
  };
}
