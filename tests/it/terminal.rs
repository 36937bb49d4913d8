//! The terminals of the shells under test: made, read to the end, and answered for.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::{Arc, Mutex};

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname, unlockpt};
use nix::sys::termios::{InputFlags, LocalFlags, OutputFlags, SetArg, tcgetattr, tcsetattr};

/// How a program asks where the cursor is.
const WHERE: &[u8] = b"\x1b[6n";

nix::ioctl_write_ptr_bad!(set_size, nix::libc::TIOCSWINSZ, nix::libc::winsize);

/// A terminal that shows nothing of what is typed and changes nothing of what is written: our end and the shell's.
/// Neither is inherited by programs other tests start, so it ends with its session. On one of a shell that `draws`, a line
/// editor reads and writes.
pub(crate) fn terminal(draws: bool) -> (File, File) {
    static NAMING: Mutex<()> = Mutex::new(());
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).expect("the system has terminals");
    grantpt(&master).expect("it is a terminal");
    unlockpt(&master).expect("it is a terminal");
    let one = NAMING.lock().expect("nobody panics while holding it");
    #[allow(unsafe_code)]
    // SAFETY: the buffer all calls share belongs to this one while the lock is held, and nobody else calls it.
    let name = unsafe { ptsname(&master) }.expect("it is a terminal");
    drop(one);
    let slave = File::options().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(name);
    let slave = slave.expect("it was unlocked");
    let mut modes = tcgetattr(&slave).expect("it is a terminal");
    modes.local_flags.remove(LocalFlags::ECHO);
    modes.output_flags.remove(OutputFlags::OPOST);
    if draws {
        // What is typed ahead arrives as it was typed, whether the editor reads just then or not; and it needs room.
        modes.input_flags.remove(InputFlags::ICRNL);
        let size = nix::libc::winsize { ws_row: 50, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        #[allow(unsafe_code)]
        // SAFETY: the structure outlives the call, which reads it.
        unsafe { set_size(slave.as_raw_fd(), &raw const size) }.expect("it is a terminal");
    }
    tcsetattr(&slave, SetArg::TCSANOW, &modes).expect("it is a terminal");
    (OwnedFd::from(master).into(), slave)
}

/// What a shell told between the turns of its line editor.
pub(crate) fn without_drawing(shown: &str, (begin, end): (&str, &str)) -> String {
    let mut told = String::new();
    let mut rest = shown;
    while let Some((before, drawn)) = rest.split_once(begin) {
        told.push_str(before);
        rest = drawn.split_once(end).map_or("", |(_, after)| after);
    }
    told + rest
}

/// Gathers what a terminal shows until its last user is gone, and answers who asks where the cursor is.
pub(crate) fn collect(mut terminal: File) -> Arc<Mutex<Vec<u8>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&seen);
    std::thread::spawn(move || {
        let mut part = [0; 4096];
        // Linux ends a terminal with EIO, others with nothing read.
        while let Ok(read @ 1..) = terminal.read(&mut part) {
            let mut all = all.lock().expect("nobody panics while holding it");
            let known = all.len().saturating_sub(WHERE.len() - 1);
            all.extend(&part[..read]);
            for _ in all[known..].windows(WHERE.len()).filter(|window| window == &WHERE) {
                // A shell that has just ended needs no answer.
                let _ = terminal.write_all(b"\x1b[1;1R");
            }
        }
    });
    seen
}
