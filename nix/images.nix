# One image per program of the cluster, and the folder of their archives. No tag is given:
# dockerTools makes one from what the image is made of, and all who name it take it from the archive.
{ lib, dockerTools, linkFarm, workspace, revision }:
let
  image =
    name:
    dockerTools.buildLayeredImage {
      name = "localhost/${name}";
      contents = [ workspace.binaries.${name} dockerTools.caCertificates ];
      # containerd's import takes no compressed archive.
      compressor = "none";
      extraCommands = "mkdir -m 1777 tmp";
      config = {
        Entrypoint = [ "/bin/${name}" ];
        # The manifests say whom each container runs as; without them it is nobody special.
        User = "65532:65532";
        Env = [ "SSL_CERT_FILE=/etc/ssl/certs/ca-bundle.crt" ];
        Labels."org.opencontainers.image.revision" = revision;
      };
      meta.description = "Image of ${name}, for `kind load image-archive` and `docker load`";
    };
  # The last is what the pods of scenarios run.
  programs = lib.genAttrs [ "fgm" "fgm-viewer" "fgm-consolidator" "fgm-workload" ] image;
in
{
  images = lib.mapAttrs' (name: lib.nameValuePair "image-${name}") programs;
  archives = linkFarm "fgm-images" (lib.mapAttrs' (name: lib.nameValuePair "${name}.tar") programs);
}
