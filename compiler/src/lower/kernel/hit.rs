//! Texts about the probe point that was hit. Where a handler has one place they are literals; where it has
//! many the kernel tells the number of the place, and a table of the object has the text.
//!
//! The table has, for each probe with several places, first the points and then the functions of all of
//! them, each padded with zeros to its width.

use cranelift_codegen::ir::InstBuilder;

use super::{KernelCode, variables};
use crate::backend::names;
use crate::hir::{HitText, Probe, ProbeId, Script};
use crate::lower::{Helper, Operand, Text};

/// The texts that differ from place to place, in the order of the table.
const LISTED: [HitText; 2] = [HitText::Point, HitText::Function];

/// The table of all texts.
pub fn hit_texts(script: &Script) -> Vec<u8> {
    let mut table = vec![];
    for probe in script.probes.values().filter(|probe| probe.places() > 1) {
        for what in LISTED {
            for place in 0..probe.places() {
                let width = what.width() as usize;
                let text = probe.hit_text(what, place).as_bytes();
                let start = table.len();
                table.extend_from_slice(&text[..text.len().min(width - 1)]);
                table.resize(start + width, 0);
            }
        }
    }
    table
}

/// Where in the table the texts of a probe begin.
fn offset(script: &Script, id: ProbeId, what: HitText) -> u32 {
    let bytes = |probe: &Probe, what: HitText| probe.places() as u32 * what.width();
    let before = script.probes.iter().take_while(|(other, _)| *other != id);
    let before = before.map(|(_, probe)| probe).filter(|probe| probe.places() > 1);
    let others: u32 = before.map(|p| LISTED.iter().map(|&what| bytes(p, what)).sum::<u32>()).sum();
    let own = LISTED.iter().take_while(|&&other| other != what);
    others + own.map(|&other| bytes(&script.probes[id], other)).sum::<u32>()
}

impl KernelCode<'_, '_> {
    /// A text about the probe point that was hit.
    pub fn hit_text(&mut self, what: HitText) -> Operand {
        let probe = &self.script.probes[self.probe];
        if probe.places() == 1 || what == HitText::Written {
            let text = probe.hit_text(what, 0);
            let mut end = text.len().min(what.width() as usize - 1);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            return Operand::Text(Text::Literal(text[..end].to_string()));
        }
        self.tables.uses_hit_texts = true;
        let width = what.width();
        let place = self.emitter.helper(Helper::GetAttachCookie, &[self.context]);
        let offset = i64::from(offset(self.script, self.probe, what));
        let index = variables::hit_texts(self.layout);
        let table = self.emitter.symbol(names::DATA, index, offset);
        let (to, text) = self.text_room(width);
        let (outside, done) = (self.emitter.block(), self.emitter.block());
        let places = probe.places() as i64;
        let from = self.emitter.checked_element(table, place, places, i64::from(width), outside);
        self.copy_text(&Text::Memory { address: from, width }, to, 0, width);
        self.emitter.builder.ins().jump(done, &[]);
        // Never: places are numbered from 0.
        self.emitter.switch_to(outside);
        self.copy_text(&Text::Literal(String::new()), to, 0, width);
        self.emitter.builder.ins().jump(done, &[]);
        self.emitter.switch_to(done);
        text
    }
}
