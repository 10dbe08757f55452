//! Type information the kernel holds for its modules: BPF_BTF_GET_NEXT_ID, BPF_BTF_GET_FD_BY_ID.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::bpf::{Command, address_mut, bpf, bpf_descriptor};
use super::{Result, SysError};

/// The longest name of a module, with its terminator (`MODULE_NAME_LEN`, rounded up).
const NAME_BYTES: usize = 64;

#[repr(C)]
struct IdAttributes {
    /// Where to begin, or which one.
    id: u32,
    next: u32,
    flags: u32,
}

#[repr(C)]
struct InfoAttributes {
    descriptor: u32,
    size: u32,
    info: u64,
}

/// `struct bpf_btf_info` (5.11).
#[repr(C)]
#[derive(Default)]
struct Info {
    data: u64,
    data_bytes: u32,
    id: u32,
    name: u64,
    name_bytes: u32,
    /// Whether it is of the kernel or a module, not of a program.
    is_kernels: u32,
}

/// The type information of a module, as BPF_PROG_LOAD takes it (5.11). It needs CAP_SYS_ADMIN to be looked for.
pub fn module_types(module: &str) -> Result<OwnedFd> {
    let failed = |cause| SysError::new("find type information of module", module, cause);
    let mut id = 0;
    loop {
        let mut attributes = IdAttributes { id, next: 0, flags: 0 };
        // SAFETY: the structure holds no addresses.
        unsafe { bpf(Command::BtfNextId, &mut attributes) }.map_err(failed)?;
        id = attributes.next;
        let mut attributes = IdAttributes { id, next: 0, flags: 0 };
        // SAFETY: the structure holds no addresses.
        match unsafe { bpf_descriptor(Command::BtfById, &mut attributes) } {
            Ok(types) if is_of_module(&types, module) => return Ok(types),
            // Another one, or one that has gone in the meantime.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

fn is_of_module(types: &OwnedFd, module: &str) -> bool {
    let mut name = [0u8; NAME_BYTES];
    let mut info =
        Info { name: address_mut(&mut name), name_bytes: NAME_BYTES as u32, ..Info::default() };
    let mut attributes = InfoAttributes {
        descriptor: types.as_raw_fd() as u32,
        size: size_of::<Info>() as u32,
        info: std::ptr::from_mut(&mut info) as u64,
    };
    // SAFETY: the addresses are those of `info` and `name`, with their sizes; no types are asked for.
    let asked = unsafe { bpf(Command::ObjectInfo, &mut attributes) };
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(0);
    asked.is_ok() && info.is_kernels != 0 && &name[..end] == module.as_bytes()
}
