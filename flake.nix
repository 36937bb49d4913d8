# Nix: `nix run`, `nix profile install`, or `silo.packages.${system}.default` in another flake.
{
  description = "A shell-integrated manager of isolated local development environments";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      each = nixpkgs.lib.genAttrs systems;
      manifest = (builtins.fromTOML (builtins.readFile ./Cargo.toml)).package;
    in
    {
      packages = each (
        system:
        let
          pkgs = nixpkgs.legacyPackages.${system};
        in
        {
          default = pkgs.rustPlatform.buildRustPackage {
            pname = manifest.name;
            version = manifest.version;
            src = self;
            cargoLock.lockFile = ./Cargo.lock;
            # Linked as everything else in Nix is; .cargo/config.toml asks for a static C library on Linux.
            env.RUSTFLAGS = "";
            # The tests drive shells on terminals of their own, which the sandbox of a build has not.
            doCheck = false;
            nativeBuildInputs = [ pkgs.installShellFiles ];
            postInstall = ''
              for page in man/*.1; do
                if [ -f "$page" ]; then installManPage "$page"; fi
              done
              if [ -d completions ]; then
                installShellCompletion --bash --name silo completions/silo.bash
                installShellCompletion --zsh --name _silo completions/_silo
                installShellCompletion --fish --name silo.fish completions/silo.fish
              fi
            '';
            meta = {
              inherit (manifest) description;
              license = pkgs.lib.licenses.mit;
              mainProgram = "silo";
              platforms = systems;
            };
          };
        }
      );
    };
}
