//! Whether probes can be loaded here.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use ntap_compiler::facts::Facts;
use ntap_runtime::kernel::LiveKernel;

const MAP_CREATE: libc::c_long = 0;
const MAP_TYPE_ARRAY: u32 = 2;

/// Why kernel probes cannot run; `None` when they can.
pub(crate) fn hindrance() -> Option<String> {
    if let Err(error) = create_map() {
        return Some(format!("bpf(2) is refused here ({error}); run as root"));
    }
    let types = "/sys/kernel/btf/vmlinux";
    std::fs::metadata(types).err().map(|error| format!("{types}: {error}"))
}

/// Why probes of kernel functions cannot run; `None` when they can.
pub(crate) fn function_hindrance() -> Option<String> {
    let events = "/sys/bus/event_source/devices/kprobe/type";
    hindrance().or_else(|| {
        std::fs::metadata(events).err().map(|_| {
            "this kernel has no probes of functions (CONFIG_KPROBES); tests/vm/run has kernels that do"
                .to_string()
        })
    })
}

/// Why probes that take the kernel's debug information cannot run; `None` when they can.
pub(crate) fn source_hindrance() -> Option<String> {
    function_hindrance().or_else(|| {
        LiveKernel::new().kernel_source().is_none().then(|| {
            "this kernel's debug information is not installed; tests/vm/run -d has kernels with it"
                .to_string()
        })
    })
}

fn create_map() -> io::Result<()> {
    // Type, bytes of a key, bytes of a value, elements; the rest is 0.
    let mut attributes = [0_u32; 32];
    attributes[..4].copy_from_slice(&[MAP_TYPE_ARRAY, 4, 8, 1]);
    let bytes = size_of_val(&attributes);
    // SAFETY: the attributes are readable for their length and hold no pointers.
    let file = unsafe { libc::syscall(libc::SYS_bpf, MAP_CREATE, attributes.as_mut_ptr(), bytes) };
    if file < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call returned a new file descriptor nobody else owns.
    drop(unsafe { OwnedFd::from_raw_fd(file as i32) });
    Ok(())
}
