//! System calls with arguments that are known to the last bit.
//!
//! ```text
//! call openat -100 text:/etc/passwd 0x80000 0 call close last
//! ```
//!
//! An argument is a number, `last` (what the call before returned), or the address of something in
//! memory at [`PAGE`], where each thing begins 256 bytes behind the one before: `text:TEXT`, a string;
//! `longs:N,N,...`, 64-bit numbers; `ints:N,N,...`, 32-bit numbers; `hex:XX..`, bytes.

use std::iter::Peekable;

use ntap_compiler::facts::Architecture;
use ntap_compiler::syscalls;

/// Where the arguments' memory begins.
const PAGE: usize = 0x20_0000;
/// Bytes of it.
const BYTES: usize = 0x1_0000;

/// Makes system calls.
#[derive(Default)]
pub(crate) struct Calls {
    mapped: bool,
    next: usize,
    last: i64,
}

impl Calls {
    /// Makes the call that the words describe, up to the first one that is no argument.
    pub(crate) fn call(
        &mut self,
        words: &mut Peekable<impl Iterator<Item = String>>,
    ) -> Result<(), String> {
        let name = words.next().ok_or("`call` needs a name")?;
        let table = syscalls::table(Architecture::X86_64).ok_or("no table of system calls")?;
        let call = table.find(&name).ok_or(format!("no system call `{name}`"))?;
        let mut arguments = [0_i64; 6];
        let mut given = 0;
        while let Some(word) = words.next_if(|word| is_argument(word)) {
            let at = arguments.get_mut(given).ok_or("more than six arguments")?;
            *at = self.argument(&word).ok_or(format!("bad argument `{word}`"))?;
            given += 1;
        }
        let [a, b, c, d, e, f] = arguments;
        // SAFETY: the tests call what reads and writes only the memory that was mapped for it.
        let result = unsafe { libc::syscall(i64::from(call.number), a, b, c, d, e, f) };
        self.last = result;
        Ok(())
    }

    fn argument(&mut self, word: &str) -> Option<i64> {
        if word == "last" {
            return Some(self.last);
        }
        if let Some(text) = word.strip_prefix("text:") {
            return Some(self.put(&[text.as_bytes(), &[0]].concat()));
        }
        if let Some(list) = word.strip_prefix("longs:") {
            let numbers: Option<Vec<i64>> = list.split(',').map(number).collect();
            return Some(
                self.put(&numbers?.iter().flat_map(|n| n.to_ne_bytes()).collect::<Vec<_>>()),
            );
        }
        if let Some(list) = word.strip_prefix("ints:") {
            let numbers: Option<Vec<i64>> = list.split(',').map(number).collect();
            let bytes = numbers?.iter().flat_map(|&n| (n as i32).to_ne_bytes()).collect::<Vec<_>>();
            return Some(self.put(&bytes));
        }
        if let Some(digits) = word.strip_prefix("hex:") {
            let byte = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
            let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
            return Some(self.put(&bytes?));
        }
        number(word)
    }

    /// Puts bytes into the memory for arguments; gives their address.
    fn put(&mut self, bytes: &[u8]) -> i64 {
        if !self.mapped {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            // SAFETY: takes an address range only when nothing is there.
            let at =
                unsafe { libc::mmap(PAGE as *mut _, BYTES, protection, flags, -1, 0) } as usize;
            assert_eq!(at, PAGE, "memory for arguments");
            self.mapped = true;
        }
        let address = PAGE + self.next;
        assert!(self.next + bytes.len() < BYTES, "too many arguments");
        self.next += bytes.len().next_multiple_of(256);
        // SAFETY: within the memory that was mapped for this.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), address as *mut u8, bytes.len()) };
        address as i64
    }
}

fn is_argument(word: &str) -> bool {
    word == "last"
        || word.contains(':')
        || word.starts_with(|c: char| c == '-' || c.is_ascii_digit())
}

fn number(word: &str) -> Option<i64> {
    let (negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word),
    };
    let magnitude = match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok()? as i64,
        None => digits.parse().ok()?,
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// Makes getppid calls of the 32-bit architecture, where it is number 64.
pub(crate) fn compat(count: u64) {
    for _ in 0..count {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the call takes no arguments; it overwrites eax and nothing else.
        unsafe {
            std::arch::asm!("int 0x80", inout("eax") 64 => _, out("r8") _, out("r9") _,
                out("r10") _, out("r11") _);
        }
    }
}

/// Makes processes, one after another, whose threads all end at once.
pub(crate) fn end_at_once(count: u64, threads: u64) {
    for _ in 0..count {
        // SAFETY: the process has one thread, so that the child can go on as a process of its own.
        unsafe {
            match libc::syscall(libc::SYS_fork) {
                0 => {
                    for _ in 0..threads {
                        std::thread::spawn(std::thread::park);
                    }
                    libc::_exit(0)
                }
                child => libc::waitpid(child as i32, std::ptr::null_mut(), 0),
            };
        }
    }
}

/// Makes processes that end at once, and waits for each.
pub(crate) fn fork(count: u64) {
    for _ in 0..count {
        // SAFETY: the child calls only `_exit`.
        unsafe {
            match libc::syscall(libc::SYS_fork) {
                0 => libc::_exit(0),
                child => libc::waitpid(child as i32, std::ptr::null_mut(), 0),
            };
        }
    }
}
