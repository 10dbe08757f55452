//! What a session does while it waits: each event has its block run, until one ends the session.

use std::time::Duration;

use ntap_compiler::hir::{Attach, ProbeId};
use ntap_compiler::lower::Role;

use super::events::{Event, Events};
use super::monitor::{Key, Monitor};
use super::overload::Step;
use super::{Session, SessionError, SessionOptions, losses, write_message};

/// How often it is looked whether too many hits were skipped, unless what handlers cost is looked at.
pub(super) const SKIPPED_WATCH: Duration = Duration::from_secs(1);

impl Session<'_> {
    pub(super) fn start_timers(
        &mut self,
        events: &mut Events,
        options: &SessionOptions,
    ) -> Result<(), SessionError> {
        let mut timers: Vec<_> = self
            .points
            .iter()
            .filter_map(|(&id, point)| match point.attach {
                Attach::Timer { period_ns, randomize_ns } => Some((id, period_ns, randomize_ns)),
                _ => None,
            })
            .collect();
        timers.sort();
        for (id, period_ns, randomize_ns) in timers {
            events.add_timer(id, period_ns, randomize_ns)?;
            if !self.disarmed.contains(&id) {
                events.start_timer(id)?;
            }
        }
        if let Some(limit) = options.time_limit {
            events.limit_time(limit)?;
        }
        Ok(())
    }

    /// Handles events until the session is to end.
    pub(super) fn wait(&mut self, events: &mut Events) -> Result<(), SessionError> {
        while !self.ending {
            let more = self.handle_records();
            if self.ending {
                break;
            }
            self.rearm(events)?;
            for event in events.next(self.kernel_half.as_ref(), more)? {
                match event {
                    Event::Records => {}
                    Event::Timer(probe) => {
                        self.run_beside_kernel(probe);
                    }
                    Event::Asked => self.exchange()?,
                    Event::Input => self.read_input(events)?,
                    Event::Watch => self.watch(events)?,
                    Event::Modules => self.tell_gone_modules(),
                    Event::NextFile => self.output.next_file(),
                    Event::Draw => self.draw(),
                    Event::Keys => match self.monitor.as_mut().map(Monitor::keys) {
                        Some(Key::Quit) => self.end("quit"),
                        Some(Key::Draw) => self.draw(),
                        None => {}
                    },
                    Event::Interrupt => self.end("interrupted"),
                    Event::TimeLimit => self.end("time_limit"),
                    Event::TargetEnded => {
                        // What the process asked before it ended.
                        self.exchange()?;
                        self.end("target_ended");
                    }
                }
                if self.ending {
                    break;
                }
                self.rearm(events)?;
            }
        }
        Ok(())
    }

    /// Ends the session when more hits were skipped than MAXSKIPPED allows.
    pub(super) fn watch_skipped(&mut self) {
        let Some(most) = self.limits.skipped.filter(|_| !self.layout.suppresses_errors) else {
            return;
        };
        let half = self.kernel_half.as_ref();
        let losses = losses::losses(half, &self.block_errors, &self.points, &self.layout);
        if losses::skipped(&losses) > most && !self.errors.too_many() {
            self.output.flush(&mut self.context.state.output);
            let message = "ERROR: Skipped too many probes, check MAXSKIPPED\n";
            write_message(&mut self.context.state.output, message);
            self.errors.fail();
            self.end("skipped");
        }
    }

    /// Runs a block that something outside of the kernel asked for, after what happened in the kernel before.
    pub(super) fn run_beside_kernel(&mut self, probe: ProbeId) {
        self.handle_records();
        if self.ending {
            return;
        }
        if let Some(arrays) = self.layout.taken.get(&probe) {
            match self.context.state.arrays.take(arrays) {
                Ok(dropped) => self.report_overflows(&dropped),
                Err(error) => self.note_unsettled(&error),
            }
        }
        if let Err(error) = self.context.state.arrays.make_room() {
            self.note_unsettled(&error);
        }
        self.run_block(Role::Probe(probe), None);
    }

    /// Looks at what handlers cost, and pauses those that cost too much.
    pub(super) fn watch(&mut self, events: &mut Events) -> Result<(), SessionError> {
        self.watch_skipped();
        let (Some(overload), Some(half)) = (&mut self.overload, &mut self.kernel_half) else {
            events.watch_after(SKIPPED_WATCH)?;
            return Ok(());
        };
        let mut warnings = vec![];
        let after = match overload.look(half, &half.attached()) {
            Step::Wait(after) => after,
            Step::Pause(probes, after) => {
                for (id, percent) in probes {
                    half.detach_probe(id);
                    let name = &self.points[&id].name;
                    let seconds = after.as_secs();
                    warnings.push(format!(
                        "{name}: its handler took {percent} % of the time of all CPUs; it is paused \
                         for {seconds} s (--overload)"
                    ));
                }
                after
            }
            Step::Resume(probes, after) => {
                for id in probes {
                    half.attach_probe(id, &self.points[&id])?;
                }
                after
            }
        };
        events.watch_after(after)?;
        for warning in warnings {
            self.warn(&warning);
        }
        Ok(())
    }
}
