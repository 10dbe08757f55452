//! Parsing and relocating, by aya-obj.

use std::collections::HashSet;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use aya_obj::btf::BtfFeatures;
use aya_obj::{EbpfSectionKind, Object};

use super::LoadError;
use super::maps::CreatedMaps;
use crate::sys;

/// Parses an object of our compiler. Not for bytes of unknown origin: aya-obj believes the sizes in symbols
/// and sections.
pub(super) fn parse(bytes: &[u8]) -> Result<Object, LoadError> {
    Object::parse(bytes).map_err(|error| LoadError::object("read object", error))
}

/// Loads the object's type information. `None` when it has none, or when the kernel does not know
/// parts of it: programs then load without source lines.
pub(super) fn load_btf(object: &mut Object) -> Result<Option<OwnedFd>, LoadError> {
    let fixed = object
        .fixup_and_sanitize_btf(&everything_since_5_2())
        .map_err(|error| LoadError::object("prepare type information", error))?;
    let Some(fixed) = fixed else { return Ok(None) };
    match sys::load_btf(&fixed.to_bytes()) {
        Ok(descriptor) => Ok(Some(descriptor)),
        // Told as a missing privilege when the maps are made, if it is one.
        Err(_) => Ok(None),
    }
}

/// Probing for each feature would cost more than loading a small object. Our objects use functions and
/// sections (5.2); what is newer is asked for only by an object that has it, and refused as a whole.
fn everything_since_5_2() -> BtfFeatures {
    BtfFeatures::new(true, true, true, true, true, true, true, true)
}

/// Writes map descriptors into the code and links called functions behind each program.
pub(super) fn relocate(object: &mut Object, maps: &CreatedMaps) -> Result<(), LoadError> {
    let text_sections: HashSet<usize> = object
        .functions
        .keys()
        .map(|&(section, _)| section)
        .filter(|section| !object.programs.values().any(|p| p.section_index == *section))
        .collect();
    let descriptors = maps.definitions.iter().filter_map(|(name, definition)| {
        let map = maps.by_name.get(name)?;
        Some((name.as_str(), map.fd().as_fd().as_raw_fd(), definition))
    });
    object
        .relocate_maps(descriptors, &text_sections)
        .map_err(|error| LoadError::object("relocate maps", error))?;
    object
        .relocate_calls(&text_sections)
        .map_err(|error| LoadError::object("relocate calls", error))
}

/// Whether a map is one of the sections with variables.
pub(super) fn is_data(map: &aya_obj::Map) -> bool {
    use EbpfSectionKind::{Bss, Data, Rodata};
    matches!(map.section_kind(), Bss | Data | Rodata)
}
