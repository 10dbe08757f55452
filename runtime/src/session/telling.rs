//! What a session says, in the form of its output: as text on the two standard streams, or as objects.

use std::io::Write;

use cranelift_codegen::entity::EntityRef;
use ntap_compiler::hir::{Attach, ProbeId};
use ntap_compiler::source::Span;
use ntap_compiler::syntax::token_name;

use super::format::{OutputFormat, json};
use super::output::{write_bytes, write_message};
use super::overload::Overload;
use super::timing::{self, ProbeTime, Timing};
use super::{Session, losses};
use crate::block::{MessageKind, Part, Printed, RaisedError, Shown, ShownGlobal, Word};
use crate::json::Json;
use crate::sys::{self, SysError};

const NO_STACKS: &str = "no stacks were seen: those among the keys of an array that the script does not read are shown, \
    as in `global n  probe timer.profile { n[backtrace()] <<< 1 }`";

impl Session<'_> {
    /// Adds an object to the output.
    fn put(&mut self, object: &Json) {
        let _ = writeln!(self.context.state.output, "{object}");
    }

    fn is_json(&self) -> bool {
        self.format == OutputFormat::Json
    }

    /// What has been printed and not been written; from here on the output is that of one block.
    pub(super) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.context.state.output)
    }

    /// Gives the output of a block its form, and puts it behind what came before.
    pub(super) fn shape_output(&mut self, probe: Option<ProbeId>, before: Vec<u8>) {
        let text = std::mem::replace(&mut self.context.state.output, before);
        if let Some(folded) = &mut self.folded {
            let rest = folded.take_printed(&text);
            match self.format {
                // The picture is another file.
                OutputFormat::Text => self.context.state.output.extend_from_slice(&text),
                OutputFormat::Folded => write_bytes(&mut self.context.state.output, &rest),
                OutputFormat::Json => {}
            }
        }
        let Some(recording) = &mut self.context.state.recording else { return };
        let parts = std::mem::take(&mut recording.parts);
        let time = json::now();
        let mut at = 0;
        for part in parts {
            let (start, end) = match part {
                Part::Print { start, end, .. } => (start, end),
                Part::Message { at, .. } => (at, at),
            };
            self.put_text(probe, &time, &text[at.min(start)..start]);
            at = end;
            match part {
                Part::Print { format, values, .. } => {
                    let words: Vec<Word> = values.iter().filter_map(plain).cloned().collect();
                    let values = values.iter().map(|value| {
                        let frames = match plain(value) {
                            Some(Word::Text(text)) => self.context.frames(text.to_bytes(), &words),
                            _ => None,
                        };
                        json::printed(value, frames)
                    });
                    let values = values.collect();
                    let text = &text[start..end];
                    self.put(&json::print(&time, self.named(probe), text, format, values));
                }
                Part::Message { kind, text, .. } => {
                    let kind = match kind {
                        MessageKind::Log => "log",
                        MessageKind::Warning => "warning",
                    };
                    self.put(&json::message(kind, &time, self.named(probe), &text));
                }
            }
        }
        self.put_text(probe, &time, &text[at.min(text.len())..]);
    }

    /// Adds text that no printing statement printed.
    fn put_text(&mut self, probe: Option<ProbeId>, time: &(&'static str, Json), text: &[u8]) {
        if !text.is_empty() {
            self.put(&json::print(time, self.named(probe), text, None, vec![]));
        }
    }

    /// The number and name of a probe.
    fn named(&self, probe: Option<ProbeId>) -> Option<json::Probe<'_>> {
        let id = probe?;
        Some((id.index() as u32, self.points.get(&id)?.name.as_str()))
    }

    /// The probe that a place in the script is in.
    pub(super) fn probe_at(&self, place: Span) -> Option<ProbeId> {
        let around = |span: &Span| {
            span.file == place.file && span.start <= place.start && place.end <= span.end
        };
        let mut found = self.places.iter().filter(|(_, span)| around(span));
        // Several probes may share a body.
        found.next().filter(|_| found.next().is_none()).map(|(id, _)| *id)
    }

    /// Tells that the session begins.
    pub(super) fn tell_start(&mut self) {
        if !self.is_json() {
            return;
        }
        let probes: Vec<_> = self
            .places
            .iter()
            .map(|&(id, span)| (id.index() as u32, self.points[&id].name.as_str(), span))
            .collect();
        let object = json::start(self.context.state.target, self.sources, &probes);
        self.put(&object);
        self.output.flush(&mut self.context.state.output);
    }

    /// Warns.
    pub(super) fn warn(&mut self, text: &str) {
        if self.is_json() {
            self.put(&json::message("warning", &json::now(), None, text));
        } else {
            write_message(&mut self.context.state.output, &format!("WARNING: {text}\n"));
        }
    }

    /// Tells the error of a handler.
    pub(super) fn tell_error(&mut self, error: &RaisedError, probe: Option<ProbeId>) {
        let site = &error.site;
        let near = match &site.near[..] {
            "" => token_name(self.sources, site.span),
            near => near.to_string(),
        };
        if self.is_json() {
            let place = json::place(self.sources, site.span);
            let object = json::error(self.named(probe), &error.message, &near, place);
            self.put(&object);
            return;
        }
        let place = self.sources.locate(site.span);
        let message = format!("ERROR: {} near {} at {place}\n", error.message, near);
        self.output.flush(&mut self.context.state.output);
        write_message(&mut self.context.state.output, &message);
    }

    /// Collects the stacks among the globals that nothing reads; with `shows`, shows the others.
    pub(super) fn tell_globals(&mut self, shows: bool) {
        let told = match self.fold_globals() {
            Ok(_) if !shows => Ok(()),
            Ok(folded) => match self.format {
                OutputFormat::Text => self.context.display_globals(&folded),
                OutputFormat::Folded => Ok(()),
                OutputFormat::Json => self.context.shown_globals().map(|globals| {
                    for global in globals {
                        let object = self.global(&global);
                        self.put(&object);
                    }
                }),
            },
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            self.warn(&format!("showing the globals: {error}"));
        }
    }

    /// Collects the stacks among the keys of what nothing reads, if they are wanted; gives the names of the arrays that
    /// have some.
    fn fold_globals(&mut self) -> Result<Vec<String>, SysError> {
        let Some(mut stacks) = self.folded.take() else { return Ok(vec![]) };
        let mut names = vec![];
        for global in self.context.shown_globals()? {
            let Shown::Elements(elements, _) = &global.shown else { continue };
            let frames: Vec<_> =
                elements.iter().map(|(key, _)| self.context.frames_of_key(key)).collect();
            if frames.iter().flatten().any(Option::is_some) {
                for ((key, value), frames) in elements.iter().zip(&frames) {
                    stacks.add(key, frames, value);
                }
                stacks.add_source(&global.name);
                names.push(global.name);
            }
        }
        self.folded = Some(stacks);
        Ok(names)
    }

    /// `-f folded`, `--flamegraph`: shows the stacks.
    pub(super) fn tell_stacks(&mut self) {
        let Some(stacks) = self.folded.take() else { return };
        if stacks.is_empty() {
            self.warn(NO_STACKS);
        }
        if self.format == OutputFormat::Folded {
            for line in stacks.lines() {
                let _ = writeln!(self.context.state.output, "{line}");
            }
        }
        let Some(picture) = self.flame_graph.take() else { return };
        if stacks.is_empty() {
            picture.abandon();
        } else if let Err(error) = picture.draw(&stacks) {
            self.warn(&format!("the flame graph cannot be written: {}", sys::error_text(&error)));
            self.outcome.output_failed = true;
        }
    }

    fn global(&mut self, global: &ShownGlobal) -> Json {
        let ShownGlobal { name, shown, pointer } = global;
        match shown {
            Shown::Single(value, layout) => {
                json::global(name, json::value(value, layout, *pointer))
            }
            Shown::Elements(elements, layout) => {
                let elements = elements.iter().map(|(key, value)| {
                    let frames = self.context.frames_of_key(key);
                    json::element(key, &frames, json::value(value, layout, *pointer))
                });
                json::array(name, elements.collect())
            }
        }
    }

    /// Tells what was lost.
    pub(super) fn tell_losses(&mut self) {
        let half = self.kernel_half.as_ref();
        let losses = losses::losses(half, &self.block_errors, &self.points, &self.layout);
        let unreported = self.errors.unreported();
        self.outcome.errors = self.errors.get();
        self.outcome.failed = self.errors.too_many();
        self.outcome.skipped = losses::skipped(&losses);
        // Errors have been told one by one, unless there were too many.
        let tells_errors = unreported > 0 || self.layout.suppresses_errors;
        for loss in losses.iter().filter(|loss| tells_errors || !loss.cause.is_error()) {
            self.lost += loss.count;
            if self.is_json() {
                let probe = self.named(Some(loss.probe)).unwrap_or_default();
                self.put(&json::lost(probe, loss.cause, loss.count));
            } else {
                let name = &self.points[&loss.probe].name;
                self.warn(&format!("{name}: {} {}", loss.count, loss.cause.text()));
            }
        }
        if unreported > 0 {
            self.warn(&format!("{unreported} errors were only counted: the ring buffer was full"));
        }
    }

    /// Tells which probes were paused.
    pub(super) fn tell_pauses(&mut self) {
        let pauses: Vec<_> = self.overload.iter_mut().flat_map(Overload::report).collect();
        for (id, times, total) in pauses {
            if self.is_json() {
                let probe = self.named(Some(id)).unwrap_or_default();
                self.put(&json::paused(probe, times.into(), total));
                continue;
            }
            let name = &self.points[&id].name;
            let seconds = total.as_secs_f64();
            self.warn(&format!(
                "{name}: paused {times} times, {seconds:.1} s in all: events of that time were not seen"
            ));
        }
    }

    /// `-t`: tells what the probes took.
    pub(super) fn tell_timing(&mut self) {
        let Some(timing) = self.timing.take().filter(|_| self.tells_timing) else { return };
        let mut rows = vec![];
        for (id, span) in &self.places {
            rows.extend(
                self.times_by_point(*id, &timing).into_iter().map(|(n, t)| (*id, n, *span, t)),
            );
        }
        if self.is_json() {
            for (id, name, _, time) in &rows {
                self.put(&json::timing((id.index() as u32, name), time));
            }
            return;
        }
        let rows =
            rows.into_iter().map(|(_, name, span, time)| (name, self.sources.locate(span), time));
        let rows: Vec<_> = rows.collect();
        eprint!("{}", timing::report(&rows));
    }

    /// What the points of a probe took that were hit; when none was, or there is only one, the probe.
    fn times_by_point(&self, id: ProbeId, timing: &Timing) -> Vec<(String, ProbeTime)> {
        let (half, point) = (self.kernel_half.as_ref(), &self.points[&id]);
        if let Attach::Function(functions) = &point.attach
            && functions.targets.len() > 1
        {
            let times = timing::points(half, &self.layout, id);
            let times = functions.targets.iter().map(|target| target.point.clone()).zip(times);
            let hit: Vec<_> = times.filter(|(_, time)| time.hits > 0).collect();
            if !hit.is_empty() {
                return hit;
            }
        }
        vec![(point.name.clone(), timing.time(half, &self.layout, id))]
    }

    /// Tells how the session ended.
    pub(super) fn tell_summary(&mut self) {
        if !self.is_json() {
            return;
        }
        let reason = self.reason.unwrap_or("exit");
        let outcome = self.outcome;
        let object = json::summary(
            self.begun.elapsed(),
            reason,
            outcome.errors,
            self.lost,
            outcome.command_status,
        );
        self.put(&object);
        self.output.flush(&mut self.context.state.output);
    }
}

/// A printed number or string.
fn plain(value: &Printed) -> Option<&Word> {
    match value {
        Printed::Word(word) => Some(word),
        Printed::Stack(_) | Printed::Histogram(_) => None,
    }
}
