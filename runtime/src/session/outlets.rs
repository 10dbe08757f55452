//! Blocks that others run: by reading or writing files of the session, or by what they type.

use std::collections::BTreeMap;

use ntap_compiler::hir::{Attach, Exchange, InputUnit, ProbeId, Script};

use super::events::Events;
use super::{Session, SessionError, SessionOptions};
use crate::outlets::{Asked, FileOutlet, Files, Http, Input};

/// What blocks exchange with other programs.
#[derive(Default)]
pub(super) struct Outlets {
    files: Option<Files>,
    http: Option<Http>,
    input: Option<Input>,
}

impl Outlets {
    /// Says where the files are.
    pub(super) fn describe(&self) {
        if let Some(files) = &self.files {
            eprintln!("ntap: the files of the session are in {}", files.directory().display());
        }
        if let Some(address) = self.http.as_ref().and_then(Http::address) {
            eprintln!("ntap: listening at http://{address}/metrics");
        }
    }
}

/// Takes the standard input, when blocks are to have it. To be called before commands are started.
pub(super) fn take_input(script: &Script) -> Result<Option<Input>, SessionError> {
    let asks = |unit| script.probes.values().any(|probe| probe.point.attach == Attach::Input(unit));
    let characters = asks(InputUnit::Character);
    if !characters && !asks(InputUnit::Line) {
        return Ok(None);
    }
    Ok(Some(Input::take(characters)?))
}

impl Session<'_> {
    /// Makes the files of the session; they are answered once all probes are live.
    pub(super) fn open_outlets(
        &mut self,
        events: &mut Events,
        options: &SessionOptions,
    ) -> Result<(), SessionError> {
        let mut files: BTreeMap<&str, FileOutlet> = BTreeMap::new();
        let mut points: Vec<_> = self.points.iter().collect();
        points.sort_by_key(|(id, _)| **id);
        for (&id, point) in points {
            let Attach::File(file) = &point.attach else { continue };
            let outlet = files.entry(&file.path).or_insert_with(|| FileOutlet {
                path: file.path.clone(),
                mode: 0,
                readers: vec![],
                writers: vec![],
            });
            let (handlers, mode) = match file.exchange {
                Exchange::Given => (&mut outlet.readers, 0o444),
                Exchange::Taken => (&mut outlet.writers, 0o222),
            };
            handlers.push(id);
            outlet.mode |= mode & !file.umask;
        }
        if let Some(address) = options.listen {
            let http = self.outlets.http.insert(Http::listen(address)?);
            events.watch_outlets(http.descriptor())?;
        }
        if files.is_empty() {
            return Ok(());
        }
        let name = self.context.state.session_name.clone();
        let files = Files::new(&name, files.into_values().collect())?;
        events.watch_outlets(files.descriptor())?;
        self.outlets.files = Some(files);
        Ok(())
    }

    /// Begins to read the standard input, which was taken before.
    pub(super) fn open_input(
        &mut self,
        input: Option<Input>,
        events: &mut Events,
    ) -> Result<(), SessionError> {
        if let Some(input) = &input {
            events.watch_input(input.descriptor())?;
        }
        self.outlets.input = input;
        Ok(())
    }

    /// Runs the blocks that what has come on the standard input is for.
    pub(super) fn read_input(&mut self, events: &mut Events) -> Result<(), SessionError> {
        let Some(input) = &mut self.outlets.input else { return Ok(()) };
        let bytes = input.read();
        let is_over = input.is_over();
        for byte in bytes {
            self.tell_all(InputUnit::Character, &[byte]);
            let line = self.outlets.input.as_mut().and_then(|input| input.line_with(byte));
            if let Some(line) = line {
                self.tell_all(InputUnit::Line, &line);
            }
            if self.ending {
                return Ok(());
            }
        }
        if is_over {
            events.forget_input()?;
            let line = self.outlets.input.as_mut().and_then(Input::last_line);
            if let Some(line) = line {
                self.tell_all(InputUnit::Line, &line);
            }
        }
        Ok(())
    }

    fn tell_all(&mut self, unit: InputUnit, text: &[u8]) {
        let is_asked = |id: &ProbeId| self.points[id].attach == Attach::Input(unit);
        let mut probes: Vec<ProbeId> = self.points.keys().copied().filter(is_asked).collect();
        probes.sort();
        for probe in probes {
            self.tell(probe, text);
        }
    }

    /// Answers those who ask over the network.
    fn serve(&mut self) {
        let Some(http) = &mut self.outlets.http else { return };
        for request in http.requests() {
            let mut files: BTreeMap<String, Vec<ProbeId>> = BTreeMap::new();
            for (&id, point) in &self.points {
                if let Attach::File(file) = &point.attach
                    && file.exchange == Exchange::Given
                {
                    files.entry(file.path.clone()).or_default().push(id);
                }
            }
            let text = files.get(&request.path).map(|probes| self.text_of_all(probes));
            let paths: Vec<&str> = files.keys().map(String::as_str).collect();
            if let Some(http) = &mut self.outlets.http {
                http.answer(request, text, &paths);
            }
        }
    }

    /// What the blocks of a file say to a reader.
    fn text_of_all(&mut self, probes: &[ProbeId]) -> Vec<u8> {
        let mut probes = probes.to_vec();
        probes.sort();
        probes.into_iter().flat_map(|probe| self.text_of(probe)).collect()
    }

    /// Runs the blocks that other programs ask for.
    pub(super) fn exchange(&mut self) -> Result<(), SessionError> {
        self.serve();
        let Some(files) = &mut self.outlets.files else { return Ok(()) };
        for asked in files.requests()? {
            match asked {
                Asked::Text(probes, reader) => {
                    let text = self.text_of_all(&probes);
                    if let Some(files) = &mut self.outlets.files {
                        files.answer(reader, text);
                    }
                }
                Asked::Tell(probes, text) => {
                    for probe in probes {
                        self.tell(probe, &text);
                    }
                }
            }
        }
        Ok(())
    }

    /// What a block says to a reader.
    fn text_of(&mut self, probe: ProbeId) -> Vec<u8> {
        self.context.state.exchanged.clear();
        self.run_beside_kernel(probe);
        let mut text = std::mem::take(&mut self.context.state.exchanged);
        if let Attach::File(file) = &self.points[&probe].attach
            && let Some(most) = file.most_bytes
        {
            text.truncate(most as usize - 1);
        }
        text
    }

    /// Runs a block with a text it is told.
    fn tell(&mut self, probe: ProbeId, text: &[u8]) {
        if self.ending {
            return;
        }
        self.context.state.exchanged = text.to_vec();
        self.run_beside_kernel(probe);
    }
}
