//! `--flamegraph`: a picture of the stacks that a script counted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use inferno::flamegraph::{self, Options};

use super::format::folded::FoldedStacks;

/// The file of the picture, from before the session until it is drawn.
pub(super) struct FlameGraph {
    path: PathBuf,
    file: File,
}

impl FlameGraph {
    /// Opens the file, so that it is known before the session that it can be written. What is in it stays until then.
    pub(super) fn open(path: &Path) -> io::Result<FlameGraph> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        Ok(FlameGraph { path: path.to_path_buf(), file })
    }

    /// Draws the stacks, as SVG.
    pub(super) fn draw(self, stacks: &FoldedStacks) -> io::Result<()> {
        let mut options = Options::default();
        options.count_name = stacks.source().unwrap_or("samples").to_string();
        options.deterministic = true;
        let lines = stacks.lines();
        let mut out = BufWriter::new(&self.file);
        // It may be a device or a pipe.
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), &mut out)?;
        out.flush()
    }

    /// Draws nothing: a file that was made for it goes.
    pub(super) fn abandon(self) {
        if self.file.metadata().is_ok_and(|data| data.is_file() && data.len() == 0) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
