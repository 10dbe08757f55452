//! Creating an object's maps.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use aya::maps::MapData;
use aya_obj::{EbpfSectionKind, Map, Object};

use super::object::is_data;
use super::{GlobalsMapping, LoadError, LoadPlan};
use crate::sys::{self, MapSpec, SysError};

/// `BPF_F_MMAPABLE` (5.5).
const MAPPABLE: u32 = 1 << 10;

/// Map types that take no types for key and value (`enum bpf_map_type`): program, perf event and
/// cgroup arrays, stack traces, maps of maps, ring buffers.
const WITHOUT_BTF: [u32; 7] = [3, 4, 7, 8, 12, 13, 27];

/// Map types whose values each CPU has: hashes and arrays (`enum bpf_map_type`).
const PER_CPU: [u32; 2] = [5, 6];

pub(super) struct CreatedMaps {
    pub(super) by_name: HashMap<String, MapData>,
    /// As the object has them, for relocation.
    pub(super) definitions: HashMap<String, Map>,
    pub(super) globals: Option<GlobalsMapping>,
}

pub(super) fn create_all(
    object: &mut Object,
    plan: &LoadPlan,
    btf: Option<BorrowedFd<'_>>,
) -> Result<CreatedMaps, LoadError> {
    for (name, size) in &plan.map_sizes {
        let map = object.maps.get_mut(name);
        map.ok_or_else(|| LoadError::MissingMap { name: name.clone() })?.set_max_entries(*size);
    }
    let definitions: HashMap<String, Map> = object.maps.drain().collect();
    let mut created =
        CreatedMaps { by_name: HashMap::new(), definitions: HashMap::new(), globals: None };
    for (name, definition) in definitions {
        // A section without variables is not worth a map; the kernel refuses values of size 0.
        if is_data(&definition) && definition.data().is_empty() {
            continue;
        }
        let map = create(&name, &definition, btf)?;
        match definition.section_kind() {
            EbpfSectionKind::Bss => {
                created.globals = Some(GlobalsMapping::new(map.as_fd(), definition.data().len())?);
            }
            EbpfSectionKind::Data => fill(&name, map.as_fd(), definition.data())?,
            EbpfSectionKind::Rodata => {
                fill(&name, map.as_fd(), definition.data())?;
                sys::freeze_map(map.as_fd())?;
            }
            EbpfSectionKind::Undefined
            | EbpfSectionKind::Maps
            | EbpfSectionKind::BtfMaps
            | EbpfSectionKind::Program
            | EbpfSectionKind::Text
            | EbpfSectionKind::Btf
            | EbpfSectionKind::BtfExt
            | EbpfSectionKind::License
            | EbpfSectionKind::Version => {}
        }
        let map = MapData::from_fd(map).map_err(|error| LoadError::map(&name, error))?;
        created.by_name.insert(name.clone(), map);
        created.definitions.insert(name, definition);
    }
    Ok(created)
}

fn create(name: &str, map: &Map, btf: Option<BorrowedFd<'_>>) -> Result<OwnedFd, LoadError> {
    let inner = match map.inner() {
        Some(inner) => Some(create(name, &inner, btf)?),
        None => None,
    };
    let types = match (map, btf) {
        (Map::Btf(with_types), Some(btf)) if !WITHOUT_BTF.contains(&map.map_type()) => {
            let (key, value) = (with_types.def.btf_key_type_id, with_types.def.btf_value_type_id);
            // A map given by sizes alone has no types.
            (key != 0 || value != 0).then_some((btf, key, value))
        }
        _ => None,
    };
    let mut spec = MapSpec {
        name,
        map_type: map.map_type(),
        key_size: map.key_size(),
        value_size: map.value_size(),
        max_entries: map.max_entries(),
        flags: map.map_flags(),
        extra: map.map_extra(),
        inner_map: inner.as_ref().map(AsFd::as_fd),
        btf: types,
    };
    if is_data(map) {
        spec.value_size = (map.data().len() as u32).next_multiple_of(8);
        if map.section_kind() == EbpfSectionKind::Bss {
            spec.flags |= MAPPABLE;
        }
    }
    create_with_memory(&spec).map_err(|error| match error.errno() {
        libc::ENOMEM | libc::E2BIG => LoadError::MapMemory {
            map: name.to_owned(),
            elements: spec.max_entries,
            element_bytes: u64::from(spec.key_size) + u64::from(spec.value_size),
            per_cpu: PER_CPU.contains(&spec.map_type),
            error,
        },
        _ => error.into(),
    })
}

/// Creates a map; when that is not permitted, once more after raising the limit of locked memory, by which
/// kernels before 5.11 account maps.
fn create_with_memory(spec: &MapSpec<'_>) -> Result<OwnedFd, SysError> {
    let first = match sys::create_map(spec) {
        Err(error) if error.errno() == libc::EPERM => error,
        result => return result,
    };
    if sys::lift_locked_memory_limit() { sys::create_map(spec) } else { Err(first) }
}

fn fill(name: &str, map: BorrowedFd<'_>, data: &[u8]) -> Result<(), LoadError> {
    let mut value = data.to_vec();
    value.resize(data.len().next_multiple_of(8), 0);
    // SAFETY: section maps have 4-byte keys and values of the section's size rounded up to 8.
    unsafe { sys::update_element(map, &0u32.to_ne_bytes(), &value, 0) }
        .map_err(|error| LoadError::from(SysError { object: name.to_owned(), ..error }))
}
