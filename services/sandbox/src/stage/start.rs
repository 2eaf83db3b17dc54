//! The one call that starts the program, with all its arguments at addresses drawn by lot.
//!
//! The filter lets this call pass and no other of its kind. Its addresses are forgotten with the
//! stage's memory, so a program that wants to become another one would have to guess three of them.

use std::ffi::CString;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::errno::Errno;

/// Bits of an address that are drawn; above lies what the kernel keeps for itself.
const DRAWN: usize = 0x3fff_ffff_f000;
/// Tries before an address is free.
const TRIES: usize = 8;

/// The arguments of the call, in place.
#[derive(Debug)]
pub(super) struct Start {
    program: OwnedFd,
    path: usize,
    argv: usize,
    environment: usize,
    _texts: Vec<CString>,
}

impl Start {
    /// Puts everything in place.
    pub(super) fn new(
        program: OwnedFd,
        argv: Vec<CString>,
        environment: Vec<CString>,
    ) -> Result<Self, Errno> {
        let list = |texts: &[CString]| -> Vec<usize> {
            texts.iter().map(|text| text.as_ptr().expose_provenance()).chain([0]).collect()
        };
        let (words, entries) = (list(&argv), list(&environment));
        Ok(Self {
            program,
            path: place(&[0])?,
            argv: place(&words)?,
            environment: place(&entries)?,
            _texts: argv.into_iter().chain(environment).collect(),
        })
    }

    /// What the filter compares.
    pub(super) fn arguments(&self) -> [u64; 5] {
        let program = self.program.as_raw_fd().unsigned_abs();
        let flags = libc::AT_EMPTY_PATH.unsigned_abs();
        let [path, argv, environment] =
            [self.path, self.argv, self.environment].map(|address| address as u64);
        [u64::from(program), path, argv, environment, u64::from(flags)]
    }

    /// Becomes the program.
    pub(super) fn now(&self) -> Errno {
        let [file, path, argv, environment, flags] = self.arguments();
        #[expect(unsafe_code, reason = "the call has to have exactly the arguments of the filter")]
        unsafe {
            libc::syscall(libc::SYS_execveat, file, path, argv, environment, flags)
        };
        Errno::last()
    }
}

/// Puts words at an address drawn by lot; they stay there until the program takes over.
#[expect(unsafe_code, reason = "memory at an address of its own, which nothing else uses")]
fn place(words: &[usize]) -> Result<usize, Errno> {
    let length = size_of_val(words);
    for _ in 0..TRIES {
        let mut drawn = 0_usize;
        let got = unsafe { libc::getrandom((&raw mut drawn).cast(), size_of::<usize>(), 0) };
        Errno::result(got)?;
        let wanted = std::ptr::with_exposed_provenance_mut((drawn & DRAWN) + (1 << 20));
        let (both, kind) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
        );
        let at = unsafe { libc::mmap(wanted, length, both, kind, -1, 0) };
        if at == wanted {
            unsafe { at.cast::<usize>().copy_from_nonoverlapping(words.as_ptr(), words.len()) };
            return Ok(at.expose_provenance());
        }
    }
    Err(Errno::ENOMEM)
}
