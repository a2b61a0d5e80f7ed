# One image per program of the cluster. No tag is given: dockerTools makes one from what the image
# is made of, and the manifests take it from the archive.
{ lib, dockerTools, workspace, revision }:
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
in
lib.mapAttrs' (name: lib.nameValuePair "image-${name}") (
  lib.genAttrs [ "fgm" "fgm-viewer" "fgm-consolidator" ] image
)
