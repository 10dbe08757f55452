//! `--monitor`: the globals, the probes and the last lines of output on a terminal, drawn anew every second.
//!
//! While it runs, standard output and standard error are a pipe, whose lines a thread keeps: so neither the script, nor
//! messages, nor a traced command draw over the screen. At the end what is kept of it is printed as it would have been.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::Session;
use super::timing::ProbeTime;

/// Lines of output that are kept for the end.
const KEPT_LINES: usize = 10_000;

/// How long the end waits for output of a command that goes on.
const PATIENCE: Duration = Duration::from_millis(200);

/// Enters and leaves the other screen of a terminal, which has no lines that scroll; hides and shows the cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// What the table of probes is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SortBy {
    Hits,
    Average,
    Longest,
    Name,
}

impl SortBy {
    const ALL: [SortBy; 4] = [SortBy::Hits, SortBy::Average, SortBy::Longest, SortBy::Name];

    fn name(self) -> &'static str {
        match self {
            SortBy::Hits => "hits",
            SortBy::Average => "avg",
            SortBy::Longest => "max",
            SortBy::Name => "name",
        }
    }
}

/// What is shown.
pub(super) struct View {
    /// How long the session has run.
    pub(super) elapsed: Duration,
    /// A line for each value of a global.
    pub(super) globals: Vec<String>,
    /// The probes by name, and whether each is detached.
    pub(super) probes: Vec<(String, bool, ProbeTime)>,
}

/// A key that was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// The session is to end.
    Quit,
    /// The screen is to be drawn.
    Draw,
}

/// Lines of output, the last one perhaps without end.
#[derive(Default)]
struct Lines {
    kept: VecDeque<Vec<u8>>,
    dropped: u64,
}

impl Lines {
    fn add(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            match self.kept.back_mut() {
                Some(last) if !last.ends_with(b"\n") => last.extend_from_slice(part),
                _ => self.kept.push_back(part.to_vec()),
            }
        }
        while self.kept.len() > KEPT_LINES {
            self.kept.pop_front();
            self.dropped += 1;
        }
    }
}

/// The screen.
pub(super) struct Monitor {
    terminal: File,
    /// Standard output and standard error as they were.
    streams: [OwnedFd; 2],
    /// The modes of the terminal before, where keys can be read.
    modes: Option<libc::termios>,
    lines: Arc<Mutex<Lines>>,
    /// Says that all output has been read.
    done: Receiver<()>,
    sort: SortBy,
}

impl Monitor {
    /// Takes the terminal. `with_keys`: the standard input is nobody else's.
    pub(super) fn start(with_keys: bool) -> io::Result<Monitor> {
        // SAFETY: takes a number.
        if unsafe { libc::isatty(libc::STDOUT_FILENO) } == 0 {
            return Err(io::Error::other("standard output is no terminal"));
        }
        let streams = [duplicate(libc::STDOUT_FILENO)?, duplicate(libc::STDERR_FILENO)?];
        let mut terminal = File::from(duplicate(libc::STDOUT_FILENO)?);
        let modes = with_keys.then(read_keys_at_once).flatten();
        let (reader, writer) = io::pipe()?;
        replace(writer.as_raw_fd(), libc::STDOUT_FILENO)?;
        replace(writer.as_raw_fd(), libc::STDERR_FILENO)?;
        terminal.write_all(ENTER.as_bytes())?;
        let lines = Arc::new(Mutex::new(Lines::default()));
        let (tell, done) = channel();
        let kept = lines.clone();
        thread::spawn(move || {
            keep(reader, &kept);
            // Nobody may wait any more.
            let _ = tell.send(());
        });
        Ok(Monitor { terminal, streams, modes, lines, done, sort: SortBy::Hits })
    }

    /// Whether keys are read.
    pub(super) fn has_keys(&self) -> bool {
        self.modes.is_some()
    }

    /// Reads the keys that were pressed.
    pub(super) fn keys(&mut self) -> Key {
        let mut bytes = [0; 64];
        // SAFETY: the buffer is valid for the call and as long as it is said to be.
        let count =
            unsafe { libc::read(libc::STDIN_FILENO, bytes.as_mut_ptr().cast(), bytes.len()) };
        let pressed = &bytes[..usize::try_from(count).unwrap_or(0)];
        for key in pressed {
            match key {
                b'q' | b'Q' => return Key::Quit,
                b's' => {
                    let at = SortBy::ALL.iter().position(|&by| by == self.sort).unwrap_or(0);
                    self.sort = SortBy::ALL[(at + 1) % SortBy::ALL.len()];
                }
                _ => {}
            }
        }
        // At the end of the input.
        if pressed.is_empty() { Key::Quit } else { Key::Draw }
    }

    /// How many lines there are for globals.
    fn lines_for_globals(&self) -> usize {
        self.size().0 / 3
    }

    /// Draws the screen. A terminal that is gone is noticed elsewhere.
    pub(super) fn draw(&mut self, mut view: View) {
        let (rows, columns) = self.size();
        let by = self.sort;
        view.probes.sort_by(|(a_name, _, a), (b_name, _, b)| {
            let ascending = match by {
                SortBy::Hits => a.hits.cmp(&b.hits),
                SortBy::Average => average(a).cmp(&average(b)),
                SortBy::Longest => a.bounds_ns.map(|b| b.1).cmp(&b.bounds_ns.map(|b| b.1)),
                SortBy::Name => b_name.cmp(a_name),
            };
            ascending.reverse()
        });
        let seconds = view.elapsed.as_secs();
        let keys = if self.has_keys() { "  q: quit  s: sort" } else { "" };
        let heading = format!(
            " ntap  {:02}:{:02}:{:02}  {} probes, by {}{keys}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            view.probes.len(),
            by.name()
        );
        let mut screen = "\x1b[H".to_string();
        let mut left = rows;
        let mut line = |text: &str, marked: bool| {
            if left == 0 {
                return;
            }
            left -= 1;
            let text: String = text.chars().filter(|c| !c.is_control()).take(columns).collect();
            let _ = match marked {
                true => write!(screen, "\x1b[7m{text:columns$}\x1b[0m"),
                false => write!(screen, "{text}\x1b[K"),
            };
            screen.push_str(if left == 0 { "" } else { "\r\n" });
        };
        line(&heading, true);
        let third = rows / 3;
        for global in view.globals.iter().take(third) {
            line(global, false);
        }
        let numbers = format!("{:>12} {:>9} {:>9} {:>9}", "hits", "min ns", "avg ns", "max ns");
        let width = columns.saturating_sub(numbers.len() + 1);
        line(&format!("{:width$.width$} {numbers}", " probe"), true);
        for (name, detached, time) in view.probes.iter().take(third.max(1)) {
            let name = if *detached { format!("{name} (detached)") } else { name.clone() };
            line(&format!("{name:width$.width$} {}", row(time)), false);
        }
        line(" output", true);
        let lines = self.lines.lock().unwrap_or_else(|broken| broken.into_inner());
        let last: Vec<String> = lines
            .kept
            .iter()
            .rev()
            .take(rows)
            .map(|line| String::from_utf8_lossy(line).trim_end().replace('\t', "    "))
            .collect();
        drop(lines);
        let room = rows
            .saturating_sub(3 + view.globals.len().min(third))
            .saturating_sub(view.probes.len().min(third.max(1)));
        for text in last.iter().take(room).rev() {
            line(text, false);
        }
        screen.push_str("\x1b[J");
        let _ = self.terminal.write_all(screen.as_bytes());
    }

    /// Rows and columns of the terminal.
    fn size(&self) -> (usize, usize) {
        let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the structure is valid for the call.
        unsafe { libc::ioctl(self.terminal.as_raw_fd(), libc::TIOCGWINSZ, &mut size) };
        match (size.ws_row, size.ws_col) {
            (0, _) | (_, 0) => (24, 80),
            (rows, columns) => (rows.into(), columns.into()),
        }
    }
}

/// The terminal is what it was, and has the output.
impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = io::stdout().flush();
        for (stream, number) in self.streams.iter().zip([libc::STDOUT_FILENO, libc::STDERR_FILENO])
        {
            let _ = replace(stream.as_raw_fd(), number);
        }
        if let Some(modes) = &self.modes {
            // SAFETY: the modes are those the terminal had.
            unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, modes) };
        }
        let _ = self.terminal.write_all(LEAVE.as_bytes());
        // A command that goes on keeps the pipe open.
        let _ = self.done.recv_timeout(PATIENCE);
        let lines = self.lines.lock().unwrap_or_else(|broken| broken.into_inner());
        if lines.dropped > 0 {
            eprintln!("WARNING: {} lines of output before these are not kept", lines.dropped);
        }
        for line in &lines.kept {
            let _ = self.terminal.write_all(line);
        }
    }
}

impl Session<'_> {
    /// Draws the screen of `--monitor`.
    pub(super) fn draw(&mut self) {
        let Some(mut monitor) = self.monitor.take() else { return };
        let most = monitor.lines_for_globals();
        let mut globals = vec![];
        for (name, id, pointer) in &self.watched {
            // Each has its place, those with many elements what is left.
            let storage = self.layout.storage[*id];
            let room = (most / self.watched.len().max(1)).max(1);
            match self.context.greatest(name, storage, *pointer, room) {
                Ok(lines) => globals.extend(lines),
                Err(error) => globals.push(format!("{name}: {error}")),
            }
        }
        self.context.finish();
        let half = self.kernel_half.as_ref();
        let probes = self.timing.iter().flat_map(|timing| {
            self.places.iter().map(|(id, _)| {
                let time = timing.time(half, &self.layout, *id);
                (self.points[id].name.clone(), self.disarmed.contains(id), time)
            })
        });
        let view = View { elapsed: self.begun.elapsed(), globals, probes: probes.collect() };
        monitor.draw(view);
        self.monitor = Some(monitor);
    }
}

/// Keeps what comes through a pipe, to its end.
fn keep(mut pipe: PipeReader, lines: &Mutex<Lines>) {
    let mut bytes = [0; 64 * 1024];
    while let Ok(count @ 1..) = pipe.read(&mut bytes) {
        lines.lock().unwrap_or_else(|broken| broken.into_inner()).add(&bytes[..count]);
    }
}

fn average(time: &ProbeTime) -> Option<u64> {
    time.total_ns.checked_div(time.hits)
}

fn row(time: &ProbeTime) -> String {
    let number = |value: Option<u64>| value.map_or(String::new(), |value| value.to_string());
    let (least, most) = (time.bounds_ns.map(|b| b.0), time.bounds_ns.map(|b| b.1));
    let (least, average, most) = (number(least), number(average(time)), number(most));
    format!("{:>12} {least:>9} {average:>9} {most:>9}", time.hits)
}

fn duplicate(descriptor: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: takes numbers only.
    match unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 3) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: the descriptor was just made, and nobody else has it.
        number => Ok(unsafe { OwnedFd::from_raw_fd(number) }),
    }
}

fn replace(from: RawFd, number: RawFd) -> io::Result<()> {
    // SAFETY: takes numbers of open descriptors.
    match unsafe { libc::dup2(from, number) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Has the terminal of the standard input give each key at once and show none; gives the modes before.
fn read_keys_at_once() -> Option<libc::termios> {
    // SAFETY: the structure is plain data that the call fills.
    let mut modes: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is valid for the call.
    if unsafe { libc::tcgetattr(libc::STDIN_FILENO, &mut modes) } != 0 {
        return None;
    }
    let mut changed = modes;
    changed.c_lflag &= !(libc::ICANON | libc::ECHO);
    // SAFETY: the structure is valid for the call.
    let result = unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &changed) };
    (result == 0).then_some(modes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_lines() {
        let mut lines = Lines::default();
        lines.add(b"one\ntw");
        lines.add(b"o\nthree");
        assert_eq!(lines.kept, [&b"one\n"[..], b"two\n", b"three"]);
        lines.add("\nx".repeat(KEPT_LINES).as_bytes());
        assert_eq!((lines.kept.len(), lines.dropped), (KEPT_LINES, 3));
    }
}
