//! The files of a session: named pipes, for there is no kernel module that could add files to `/proc`.
//!
//! A file that is only written is one pipe from beginning to end. A file that is read is a new pipe for each
//! program that opens it: inotify tells that the pipe was opened, another one takes its place under the same
//! name, and the first one gets the text and is closed, so that its reader comes to the end. Who opened it,
//! to read or to write, is found in `/proc`, and otherwise by closing our own end of either side and asking poll(2)
//! whether another one is left. Two programs that open a file in the same instant get the same pipe, and share its text.
//!
//! Programs that read or write run no block by themselves: [`Files::requests`] says what they ask, and the session
//! answers when it is its turn.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::PathBuf;

use ntap_compiler::hir::ProbeId;

use super::directory::Directory;
use super::pipe::{self, Writes};
use crate::sys::{Result, SysError};

/// A file to make.
#[derive(Clone)]
pub struct FileOutlet {
    /// Below the folder of the session.
    pub path: String,
    /// The permissions.
    pub mode: u32,
    /// What readers run.
    pub readers: Vec<ProbeId>,
    /// What writers run.
    pub writers: Vec<ProbeId>,
}

/// What another program asks.
pub enum Asked {
    /// To read what these blocks say.
    Text(Vec<ProbeId>, Conversation),
    /// To have these blocks told a text.
    Tell(Vec<ProbeId>, Vec<u8>),
}

/// A pipe that waits for a text.
pub struct Conversation {
    pipe: OwnedFd,
}

/// The files of a session.
pub struct Files {
    directory: Directory,
    epoll: OwnedFd,
    inotify: OwnedFd,
    writes: Writes,
    files: Vec<File>,
    /// Pipes that were opened to write, and are not under the name of their file any more.
    open: Vec<(usize, OwnedFd)>,
    /// Texts that did not fit into their pipe at once.
    unfinished: Vec<(OwnedFd, Vec<u8>)>,
    next_name: u64,
}

struct File {
    outlet: FileOutlet,
    path: PathBuf,
    pipe: OwnedFd,
    /// Tells when the pipe is opened; only of files that are read.
    watch: Option<i32>,
}

impl Files {
    /// Makes the files.
    pub fn new(name: &str, outlets: Vec<FileOutlet>) -> Result<Files> {
        let directory = Directory::make(name)?;
        // SAFETY: takes a flag only.
        let epoll = own(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }, "epoll_create")?;
        // SAFETY: takes flags only.
        let inotify = unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) };
        let inotify = own(inotify, "inotify_init")?;
        let mut files = Files {
            directory,
            epoll,
            inotify,
            writes: Writes::new()?,
            files: vec![],
            open: vec![],
            unfinished: vec![],
            next_name: 0,
        };
        files.listen(files.inotify.as_raw_fd(), libc::EPOLLIN)?;
        for outlet in outlets {
            files.add(outlet)?;
        }
        Ok(files)
    }

    /// Where they are.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// Readable when somebody asks something.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    fn add(&mut self, outlet: FileOutlet) -> Result<()> {
        let path = self.directory.path().join(&outlet.path);
        if let Some(parent) = path.parent() {
            let failed =
                |error| SysError::new("make the folder", parent.display().to_string(), error);
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let (pipe, watch) = self.make_pipe(&path, &outlet)?;
        if watch.is_none() {
            self.listen(pipe.as_raw_fd(), libc::EPOLLIN)?;
        }
        self.files.push(File { outlet, path, pipe, watch });
        Ok(())
    }

    /// Makes a pipe under this name, in place of what is there.
    fn make_pipe(&mut self, path: &PathBuf, outlet: &FileOutlet) -> Result<(OwnedFd, Option<i32>)> {
        self.next_name += 1;
        let name = self.directory.path().join(format!(".{}", self.next_name));
        let pipe = pipe::make(&name, outlet.mode)?;
        let failed = |error| SysError::new("watch the file", path.display().to_string(), error);
        if !outlet.writers.is_empty() {
            self.writes.follow(pipe.as_fd());
        }
        let mut watch = None;
        if !outlet.readers.is_empty() {
            let c_name = pipe::c_path(&name);
            // SAFETY: the name outlives the call.
            let added = unsafe {
                libc::inotify_add_watch(self.inotify.as_raw_fd(), c_name.as_ptr(), libc::IN_OPEN)
            };
            if added < 0 {
                return Err(failed(io::Error::last_os_error()));
            }
            watch = Some(added);
        }
        fs::rename(&name, path).map_err(failed)?;
        Ok((pipe, watch))
    }

    fn listen(&self, descriptor: i32, what: libc::c_int) -> Result<()> {
        let mut event = libc::epoll_event { events: what as u32, u64: descriptor as u64 };
        // SAFETY: both descriptors are open, and the event is valid for the call.
        let result = unsafe {
            libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, descriptor, &mut event)
        };
        match result {
            0 => Ok(()),
            _ => Err(SysError::new("epoll_ctl", "file", io::Error::last_os_error())),
        }
    }

    /// What other programs ask now; does not wait.
    pub fn requests(&mut self) -> Result<Vec<Asked>> {
        let mut asked = vec![];
        self.go_on_writing();
        for file in &self.files {
            if file.watch.is_none() {
                let texts = self.writes.take(file.pipe.as_fd());
                let told = texts.into_iter().map(|text| (file.outlet.writers.clone(), text));
                asked.extend(told.map(|(probes, text)| Asked::Tell(probes, text)));
            }
        }
        for at in self.opened() {
            self.receive(at, &mut asked)?;
        }
        self.hear(&mut asked);
        Ok(asked)
    }

    /// The files whose pipes were opened.
    fn opened(&mut self) -> Vec<usize> {
        let bytes = pipe::take_all(self.inotify.as_fd());
        let mut opened = vec![];
        let mut rest = &bytes[..];
        // An event is its watch, mask, cookie and length of a name that follows, 32 bits each.
        while let Some((event, behind)) = rest.split_first_chunk::<16>() {
            let word = |at: usize| {
                i32::from_ne_bytes([event[at], event[at + 1], event[at + 2], event[at + 3]])
            };
            let found = self.files.iter().position(|file| file.watch == Some(word(0)));
            if let Some(at) = found
                && word(4) as u32 & libc::IN_OPEN != 0
                && !opened.contains(&at)
            {
                opened.push(at);
            }
            rest = behind.get(word(12) as usize..).unwrap_or_default();
        }
        opened
    }

    /// Turns to those who opened a file: they get the pipe for themselves.
    fn receive(&mut self, at: usize, asked: &mut Vec<Asked>) -> Result<()> {
        let File { outlet, path, watch: old_watch, .. } = &self.files[at];
        let (outlet, path, old_watch) = (outlet.clone(), path.clone(), *old_watch);
        let (fresh, watch) = self.make_pipe(&path, &outlet)?;
        if let Some(old) = old_watch {
            // SAFETY: takes numbers only.
            unsafe { libc::inotify_rm_watch(self.inotify.as_raw_fd(), old) };
        }
        let file = &mut self.files[at];
        file.watch = watch;
        let pipe = std::mem::replace(&mut file.pipe, fresh);
        let failed = |error| SysError::new("open the file", path.display().to_string(), error);
        // Nobody else finds it any more.
        pipe::permit(pipe.as_fd(), 0o600).map_err(failed)?;
        let texts = self.writes.take(pipe.as_fd());
        let is_written = !texts.is_empty();
        if !outlet.writers.is_empty() {
            let told = texts.into_iter().map(|text| Asked::Tell(outlet.writers.clone(), text));
            asked.extend(told);
            // One that is about to write must not find the pipe without a reader, as below: it would be broken.
            if is_written || pipe::is_open_elsewhere_to_write(pipe.as_fd()) {
                let input = pipe::open_again(pipe.as_fd(), libc::O_RDONLY).map_err(failed)?;
                drop(pipe);
                return self.listen_to_writer(at, input);
            }
        }
        let output = pipe::open_again(pipe.as_fd(), libc::O_WRONLY).map_err(failed)?;
        drop(pipe);
        // Without a reader the pipe is broken for those who write.
        let has_reader = pipe::state(output.as_fd(), libc::POLLOUT) & libc::POLLERR == 0;
        if has_reader {
            asked.push(Asked::Text(outlet.readers, Conversation { pipe: output }));
            return Ok(());
        }
        let input = pipe::open_again(output.as_fd(), libc::O_RDONLY).map_err(failed)?;
        drop(output);
        self.listen_to_writer(at, input)
    }

    /// Listens to a pipe as long as somebody has it open to write.
    fn listen_to_writer(&mut self, at: usize, input: OwnedFd) -> Result<()> {
        let state = pipe::state(input.as_fd(), libc::POLLIN);
        if state & libc::POLLHUP == 0 || state & libc::POLLIN != 0 {
            self.writes.follow(input.as_fd());
            self.listen(input.as_raw_fd(), libc::EPOLLIN)?;
            self.open.push((at, input));
        }
        Ok(())
    }

    /// Listens to those who opened a file to write, until they close it.
    fn hear(&mut self, asked: &mut Vec<Asked>) {
        let Files { open, writes, files, .. } = self;
        open.retain(|(at, input)| {
            // The end is looked for before the last text is taken.
            let is_over = pipe::state(input.as_fd(), libc::POLLIN) & libc::POLLHUP != 0;
            let writers = &files[*at].outlet.writers;
            for text in writes.take(input.as_fd()) {
                if !writers.is_empty() {
                    asked.push(Asked::Tell(writers.clone(), text));
                }
            }
            !is_over
        });
    }

    /// Gives a reader its text.
    pub fn answer(&mut self, to: Conversation, text: Vec<u8>) {
        self.unfinished.push((to.pipe, text));
        self.go_on_writing();
        // What was not taken at once is listened for; twice is an error that means nothing.
        if let Some((pipe, _)) = self.unfinished.last() {
            let _ = self.listen(pipe.as_raw_fd(), libc::EPOLLOUT);
        }
    }

    /// Writes as much as the pipes take. A reader that has gone wants no more.
    fn go_on_writing(&mut self) {
        self.unfinished.retain_mut(|(pipe, text)| {
            while !text.is_empty() {
                // SAFETY: the text is valid for the call and as long as it is said to be.
                let written =
                    unsafe { libc::write(pipe.as_raw_fd(), text.as_ptr().cast(), text.len()) };
                match usize::try_from(written) {
                    Ok(bytes) => drop(text.drain(..bytes)),
                    Err(_) => {
                        let error = io::Error::last_os_error();
                        return error.kind() == io::ErrorKind::WouldBlock;
                    }
                }
            }
            false
        });
    }
}

fn own(descriptor: i32, operation: &'static str) -> Result<OwnedFd> {
    if descriptor < 0 {
        return Err(SysError::new(operation, "files", io::Error::last_os_error()));
    }
    // SAFETY: the call has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
