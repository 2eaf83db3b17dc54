//! System calls without anybody between: the only file of the attacker that is unsafe.
#![expect(unsafe_code, reason = "an attacker makes calls that no library offers")]

use std::ffi::CString;

/// What came of a system call, or its error's number.
pub(crate) type Came = Result<i64, i32>;
/// What an attack gained, or the number of the error that stopped it.
pub(crate) type Got = Result<String, i32>;

/// Makes one system call.
pub(crate) fn call(number: libc::c_long, arguments: &[i64]) -> Came {
    let of = |at: usize| arguments.get(at).copied().unwrap_or(0);
    // SAFETY: the addresses lead to values that live as long as the call, or to nowhere on purpose.
    let came = unsafe { libc::syscall(number, of(0), of(1), of(2), of(3), of(4), of(5)) };
    if came == -1 { Err(last()) } else { Ok(came) }
}

/// Makes one system call, whatever comes of it.
pub(crate) fn attempt(number: libc::c_long, arguments: &[i64]) {
    let (Ok(_) | Err(_)) = call(number, arguments);
}

/// The number of the last error.
fn last() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// What a call gained, where its number says it.
pub(crate) fn ok(came: Came) -> Got {
    came.map(|number| number.to_string())
}

/// The call alone is the attack.
pub(crate) fn just(number: libc::c_long, arguments: &[i64]) -> Got {
    ok(call(number, arguments))
}

/// A text for the kernel.
#[derive(Debug)]
pub(crate) struct Text(CString);

impl Text {
    /// Its address.
    pub(crate) fn at(&self) -> i64 {
        address(self.0.as_ptr())
    }
}

/// A text for the kernel; one with a NUL in it becomes empty.
pub(crate) fn text(of: &str) -> Text {
    Text(CString::new(of).unwrap_or_default())
}

fn address<T>(pointer: *const T) -> i64 {
    pointer.expose_provenance().cast_signed() as i64
}

/// The address of a value that the kernel reads.
pub(crate) fn at<T: ?Sized>(value: &T) -> i64 {
    address(std::ptr::from_ref(value).cast::<u8>())
}

/// The address of a value that the kernel fills.
pub(crate) fn into<T: ?Sized>(value: &mut T) -> i64 {
    address(std::ptr::from_mut(value).cast::<u8>())
}

/// The bytes at an address that the kernel mapped.
pub(crate) fn bytes_at(address: i64, count: usize) -> Vec<u8> {
    let Ok(address) = usize::try_from(address) else { return Vec::new() };
    let from = std::ptr::with_exposed_provenance::<u8>(address);
    // SAFETY: a call that succeeded has mapped at least this much there.
    (0..count).map(|at| unsafe { from.add(at).read_volatile() }).collect()
}

/// Writes bytes to an address that the kernel mapped.
pub(crate) fn put_at(address: i64, bytes: &[u8]) {
    let Ok(address) = usize::try_from(address) else { return };
    let to = std::ptr::with_exposed_provenance_mut::<u8>(address);
    for (at, byte) in bytes.iter().enumerate() {
        // SAFETY: a call that succeeded has mapped at least this much there.
        unsafe { to.add(at).write_volatile(*byte) };
    }
}

/// A system call in the form of 32-bit programs; negative: an error's number.
#[cfg(target_arch = "x86_64")]
pub(crate) fn call_32(number: u32, first: u32, second: u32, third: u32) -> Came {
    let came: i32;
    // SAFETY: `rbx` is kept by hand, since the compiler does not give it away.
    unsafe {
        std::arch::asm!(
            "xchg {first:r}, rbx", "int 0x80", "xchg {first:r}, rbx",
            first = inout(reg) u64::from(first) => _,
            inlateout("eax") number => came,
            in("ecx") second, in("edx") third,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    if came < 0 { Err(-came) } else { Ok(i64::from(came)) }
}

/// A system call in the form of 32-bit programs: this machine has none.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn call_32(_: u32, _: u32, _: u32, _: u32) -> Came {
    Err(libc::ENOSYS)
}
