//! What all processes of a machine share, made by the test for attacks to find (System V).
#![expect(unsafe_code, reason = "these calls have no wrapper")]

/// Shared memory with a secret, an empty queue, a semaphore at 0; gone when dropped.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The memory's number.
    pub(crate) memory: i32,
    /// The queue's number.
    pub(crate) queue: i32,
    /// The semaphore's number.
    pub(crate) semaphore: i32,
}

const EVERYBODY: i32 = 0o666;

impl Shared {
    /// Makes all three.
    pub(crate) fn make(secret: &str) -> Self {
        // SAFETY: numbers only; the address is where the kernel has just mapped a page.
        unsafe {
            let memory = libc::shmget(libc::IPC_PRIVATE, 4096, EVERYBODY);
            let page = libc::shmat(memory, std::ptr::null(), 0);
            assert!(memory >= 0 && page.addr() != usize::MAX, "no shared memory");
            let to = page.cast::<u8>();
            std::ptr::copy_nonoverlapping(secret.as_ptr(), to, secret.len());
            libc::shmdt(page);
            let queue = libc::msgget(libc::IPC_PRIVATE, EVERYBODY);
            let semaphore = libc::semget(libc::IPC_PRIVATE, 1, EVERYBODY);
            assert!(queue >= 0 && semaphore >= 0, "no queue or no semaphore");
            Self { memory, queue, semaphore }
        }
    }

    /// Whether somebody sent to the queue or raised the semaphore.
    pub(crate) fn was_touched(&self) -> bool {
        // SAFETY: the kernel fills the value, which lives as long as the call.
        unsafe {
            let mut about: libc::msqid_ds = std::mem::zeroed();
            libc::msgctl(self.queue, libc::IPC_STAT, &raw mut about);
            about.msg_qnum > 0 || libc::semctl(self.semaphore, 0, libc::GETVAL) > 0
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: numbers only.
        unsafe {
            libc::shmctl(self.memory, libc::IPC_RMID, std::ptr::null_mut());
            libc::msgctl(self.queue, libc::IPC_RMID, std::ptr::null_mut());
            libc::semctl(self.semaphore, 0, libc::IPC_RMID);
        }
    }
}
