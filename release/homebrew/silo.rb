# The Homebrew formula; `release/build` fills in what stands between @, and writes dist/silo.rb.
# It builds from source, so one formula serves macOS and Linux on any processor.

class Silo < Formula
  desc "Shell-integrated manager of isolated local development environments"
  homepage "@URL@"
  url "@URL@/silo-@VERSION@-source.tar.gz"
  version "@VERSION@"
  sha256 "@SHA256@"
  license "MIT"

  depends_on "rust" => :build

  def install
    # Homebrew's compiler on Linux brings no static C library.
    ENV["RUSTFLAGS"] = "" if OS.linux?
    system "cargo", "install", *std_cargo_args
    man1.install Dir["man/*.1"]
    bash_completion.install "completions/silo.bash" => "silo" if File.exist?("completions/silo.bash")
    zsh_completion.install "completions/_silo" if File.exist?("completions/_silo")
    fish_completion.install "completions/silo.fish" if File.exist?("completions/silo.fish")
    doc.install Dir["docs/*.md"]
  end

  def caveats
    <<~TEXT
      Load the hook into the shell's start file:
        silo hook --install
    TEXT
  end

  test do
    assert_equal "silo v#{version}", shell_output("#{bin}/silo --version").chomp
    (testpath/"silo.toml").write "version = 1\n[ports]\nWEB_PORT = \"random\"\n"
    assert_match(/WEB_PORT: \d+/, shell_output("#{bin}/silo env"))
  end
end
