//! `example/agents/verify.sh` on a real engine: five agencies, gateway, memory and bots, end to end.

use std::path::Path;

use crate::engine::Engine;
use crate::engine_memory;
use crate::sandbox::SILO;

#[test]
fn engine_the_system_of_five_agencies_does_what_its_example_says() {
    let engine = Engine::new();
    // The script makes one from Debian's packages otherwise, which takes longer.
    engine_memory::image(&engine);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("example/agents/verify.sh");
    let mut command = engine.command("bash", "");
    command.arg(script).env("SILO_BIN", SILO).env("MEMORY_IMAGE", engine_memory::IMAGE);
    let ended = command.output().expect("bash can be started");
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{said}{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(said.lines().filter(|line| line.starts_with("verified: ")).count(), 9, "{said}");
}
