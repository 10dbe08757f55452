//! Maps: creation and single elements.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::bpf::{Command, address, address_mut, bpf, bpf_descriptor, object_name};
use super::{Result, SysError};

/// What BPF_MAP_CREATE wants to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct MapSpec<'a> {
    /// Shown by bpftool, cut to 15 bytes.
    pub name: &'a str,
    /// `enum bpf_map_type`.
    pub map_type: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value; of one CPU's value in per-CPU maps.
    pub value_size: u32,
    /// Most elements; bytes of a ring buffer.
    pub max_entries: u32,
    /// `BPF_F_*`.
    pub flags: u32,
    /// Meaning depends on the map type.
    pub extra: u64,
    /// The template of a map of maps.
    pub inner_map: Option<BorrowedFd<'a>>,
    /// Types of key and value: the object's BTF, key type, value type.
    pub btf: Option<(BorrowedFd<'a>, u32, u32)>,
}

#[repr(C)]
struct CreateAttributes {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
    inner_map: u32,
    numa_node: u32,
    name: [u8; 16],
    network_interface: u32,
    btf: u32,
    btf_key_type: u32,
    btf_value_type: u32,
    btf_vmlinux_value_type: u32,
    extra: u64,
}

/// Creates a map.
pub fn create_map(spec: &MapSpec<'_>) -> Result<OwnedFd> {
    let (btf, btf_key_type, btf_value_type) = match spec.btf {
        Some((descriptor, key, value)) => (descriptor.as_raw_fd() as u32, key, value),
        None => (0, 0, 0),
    };
    let mut attributes = CreateAttributes {
        map_type: spec.map_type,
        key_size: spec.key_size,
        value_size: spec.value_size,
        max_entries: spec.max_entries,
        flags: spec.flags,
        inner_map: spec.inner_map.map_or(0, |inner| inner.as_raw_fd() as u32),
        numa_node: 0,
        name: object_name(spec.name),
        network_interface: 0,
        btf,
        btf_key_type,
        btf_value_type,
        btf_vmlinux_value_type: 0,
        extra: spec.extra,
    };
    // SAFETY: the structure holds no addresses.
    unsafe { bpf_descriptor(Command::MapCreate, &mut attributes) }
        .map_err(|cause| SysError::new("create map", spec.name, cause))
}

#[repr(C)]
struct ElementAttributes {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

impl ElementAttributes {
    fn new(map: BorrowedFd<'_>, key: &[u8]) -> ElementAttributes {
        let map = map.as_raw_fd() as u32;
        ElementAttributes { map, padding: 0, key: address(key), value: 0, flags: 0 }
    }
}

/// How far apart the values of two CPUs are in a buffer of a per-CPU map.
pub fn value_stride(value_size: usize) -> usize {
    value_size.next_multiple_of(8)
}

/// Reads one element into `value`; `false` when there is none.
///
/// For per-CPU maps `value` holds [`value_stride`] bytes for each possible CPU. Both slices must be
/// as long as the map says; the kernel does not check.
///
/// # Safety
///
/// `key` must have the map's key size and `value` at least its value size.
pub unsafe fn lookup_element(map: BorrowedFd<'_>, key: &[u8], value: &mut [u8]) -> Result<bool> {
    let mut attributes = ElementAttributes::new(map, key);
    attributes.value = address_mut(value);
    // SAFETY: the caller guarantees that both buffers are as long as the kernel takes them to be.
    let result = unsafe { bpf(Command::MapLookup, &mut attributes) };
    found(result, "read map element")
}

/// Writes one element; `flags` is `BPF_ANY` (0), `BPF_NOEXIST` (1) or `BPF_EXIST` (2).
///
/// # Safety
///
/// `key` must have the map's key size and `value` at least its value size.
pub unsafe fn update_element(
    map: BorrowedFd<'_>,
    key: &[u8],
    value: &[u8],
    flags: u64,
) -> Result<()> {
    let mut attributes = ElementAttributes::new(map, key);
    attributes.value = address(value);
    attributes.flags = flags;
    // SAFETY: the caller guarantees that both buffers are as long as the kernel takes them to be.
    unsafe { bpf(Command::MapUpdate, &mut attributes) }
        .map_err(|cause| SysError::new("write map element", "", cause))?;
    Ok(())
}

/// Deletes one element; `false` when there is none.
///
/// # Safety
///
/// `key` must have the map's key size.
pub unsafe fn delete_element(map: BorrowedFd<'_>, key: &[u8]) -> Result<bool> {
    let mut attributes = ElementAttributes::new(map, key);
    // SAFETY: the caller guarantees that the key is as long as the kernel takes it to be.
    let result = unsafe { bpf(Command::MapDelete, &mut attributes) };
    found(result, "delete map element")
}

/// Writes the key after `key` (the first for `None`) to `next`; `false` at the end.
///
/// # Safety
///
/// `key` and `next` must have the map's key size.
pub unsafe fn next_key(map: BorrowedFd<'_>, key: Option<&[u8]>, next: &mut [u8]) -> Result<bool> {
    let mut attributes = ElementAttributes::new(map, key.unwrap_or_default());
    attributes.value = address_mut(next);
    // SAFETY: the caller guarantees that the keys are as long as the kernel takes them to be.
    let result = unsafe { bpf(Command::MapNextKey, &mut attributes) };
    found(result, "walk map")
}

/// Makes a map read-only for user space.
pub fn freeze_map(map: BorrowedFd<'_>) -> Result<()> {
    #[repr(C)]
    struct Attributes {
        map: u32,
    }
    let mut attributes = Attributes { map: map.as_raw_fd() as u32 };
    // SAFETY: the structure holds no addresses.
    unsafe { bpf(Command::MapFreeze, &mut attributes) }
        .map_err(|cause| SysError::new("freeze map", "", cause))?;
    Ok(())
}

fn found(result: std::io::Result<i32>, operation: &'static str) -> Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(cause) if cause.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(cause) => Err(SysError::new(operation, "", cause)),
    }
}
